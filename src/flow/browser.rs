//! The browser that a flow belongs to.

use serde::{Deserialize, Serialize};

use crate::id::Subject;
use crate::secret;

/// A browser, by its long-lived cookie. It binds every challenge to the browser that asked, in any number of tabs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Browser {
    pub(super) id: [u8; 16],
    /// Digests of the accounts that have signed in here: to these it is a known device.
    known: Vec<[u8; 8]>,
    /// What else it was called, by tabs that were opened at once before it had a name: the last answer has named it.
    #[serde(skip)]
    also: Vec<[u8; 16]>,
}

impl Browser {
    pub fn new() -> Self {
        Self { id: secret::random(), known: Vec::new(), also: Vec::new() }
    }

    /// The same browser, by what its tabs were told: the first is its name where it has no other.
    pub fn of_tabs(own: Option<Self>, tabs: Vec<Self>) -> Option<Self> {
        let mut tabs = tabs.into_iter();
        let mut browser = own.or_else(|| tabs.next())?;
        browser.also = tabs.map(|tab| tab.id).collect();
        Some(browser)
    }

    /// The same by the name that a flow knows it by.
    #[must_use]
    pub(super) fn named(mut self, id: [u8; 16]) -> Self {
        self.id = id;
        self
    }

    /// What tells its tabs apart; nothing of its name.
    pub fn tab(&self) -> String {
        let digest = secret::sha256(&[b"hydrant tab".as_slice(), &self.id].concat());
        format!("{:08x}", u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]))
    }

    pub(super) fn is(&self, id: &[u8; 16]) -> bool {
        secret::same(&self.id, id) || self.also.iter().any(|also| secret::same(also, id))
    }

    fn mark(subject: &Subject) -> [u8; 8] {
        let digest = secret::sha256(format!("hydrant device {subject}").as_bytes());
        [digest[0], digest[1], digest[2], digest[3], digest[4], digest[5], digest[6], digest[7]]
    }

    pub fn knows(&self, subject: &Subject) -> bool {
        self.known.contains(&Self::mark(subject))
    }

    /// The last four accounts are enough for a family.
    pub(super) fn remember(&mut self, subject: &Subject) {
        let mark = Self::mark(subject);
        self.known.retain(|known| *known != mark);
        self.known.insert(0, mark);
        self.known.truncate(4);
    }
}

impl Default for Browser {
    fn default() -> Self {
        Self::new()
    }
}
