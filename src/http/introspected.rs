//! Introspection answers.
use crate::token::Active;
use serde::Serialize;
#[derive(Serialize)]
pub struct Introspected {
    active: bool,
}
impl Introspected {
    pub fn inactive() -> Self {
        Self { active: false }
    }
    pub fn of(_: &Active, _: &str) -> Self {
        Self { active: true }
    }
}
