//! Introspection answers.
use serde::Serialize;
use crate::token::Active;
#[derive(Serialize)]
pub struct Introspected { active: bool }
impl Introspected {
    pub fn inactive() -> Self { Self { active: false } }
    pub fn of(_: &Active, _: &str) -> Self { Self { active: true } }
}
