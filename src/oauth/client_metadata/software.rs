//! What software a client is an instance of (RFC 7591 sections 2 and 2.3).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::or_default;
use super::validate::refused;
use crate::oauth::Result;

/// In bytes.
const LONGEST_NAME: usize = 255;
const LONGEST_STATEMENT: usize = 16 * 1024;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Software {
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub software_id: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub software_version: String,
    /// As it came (RFC 7591 section 3.2.1). Of a client that registered itself it was verified.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub software_statement: String,
}

impl Software {
    pub(super) fn check(&self) -> Result<()> {
        for (field, value) in [("software_id", &self.software_id), ("software_version", &self.software_version)] {
            if value.len() > LONGEST_NAME || value.contains(char::is_control) {
                return Err(refused(format!("Field {field} is too long or has control characters.")));
            }
        }
        if self.software_statement.len() > LONGEST_STATEMENT {
            return Err(refused("Field software_statement is longer than 16 KiB."));
        }
        Ok(())
    }
}
