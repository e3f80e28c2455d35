//! Colours and their contrast (WCAG 2.2, "relative luminance" and "contrast ratio"), so that any accent can be read.

use std::fmt;

/// An sRGB colour, eight bits a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colour(pub u8, pub u8, pub u8);

pub(super) const BLACK: Colour = Colour(0, 0, 0);
pub(super) const WHITE: Colour = Colour(255, 255, 255);

/// The least contrast of text at level AA (WCAG 2.2 success criterion 1.4.3).
pub(super) const AA: f64 = 4.5;

impl Colour {
    /// `#rrggbb` and nothing else: what is written into the stylesheet is what was understood.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let channel = |range| digits.get(range).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        Some(Self(channel(0..2)?, channel(2..4)?, channel(4..6)?))
    }

    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let c = f64::from(channel) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }

    /// From 1 (the same) to 21 (black on white).
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// This colour with `percent` of another in it.
    pub fn mixed(self, other: Self, percent: u16) -> Self {
        let channel = |one: u8, two: u8| {
            let sum = u16::from(one) * (100 - percent) + u16::from(two) * percent;
            u8::try_from(sum / 100).unwrap_or(u8::MAX)
        };
        Self(channel(self.0, other.0), channel(self.1, other.1), channel(self.2, other.2))
    }

    /// White or black, for text on this colour. One of them always reaches AA: where white has less than 4.5, black has
    /// more than 4.6.
    pub fn text(self) -> Self {
        if self.contrast(WHITE) >= AA { WHITE } else { BLACK }
    }

    /// This colour, moved towards `end` as little as it takes to be read on all of `grounds`.
    pub fn readable_on(self, grounds: &[Self], end: Self) -> Self {
        (0..=100)
            .step_by(4)
            .map(|percent| self.mixed(end, percent))
            .find(|colour| grounds.iter().all(|ground| colour.contrast(*ground) >= AA))
            .unwrap_or(end)
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A step of 15 through each channel: 5,832 colours, with black, white and every grey of that step.
    pub fn colours() -> impl Iterator<Item = Colour> {
        let steps = || (0..=255u8).step_by(15);
        steps().flat_map(move |r| steps().flat_map(move |g| steps().map(move |b| Colour(r, g, b))))
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        assert!((BLACK.contrast(WHITE) - 21.0).abs() < 1e-9);
        assert!((WHITE.contrast(WHITE) - 1.0).abs() < 1e-9);
        // The best-known pair: #767676 is the lightest grey that white takes at AA, #777777 no longer.
        assert!(Colour(0x76, 0x76, 0x76).contrast(WHITE) >= AA);
        assert!(Colour(0x77, 0x77, 0x77).contrast(WHITE) < AA);
    }

    #[test]
    fn text_on_any_colour_reaches_aa() {
        for colour in colours() {
            assert!(colour.contrast(colour.text()) >= AA, "{colour}");
        }
    }

    #[test]
    fn a_readable_colour_stays_and_another_moves() {
        let teal = Colour(0x0f, 0x76, 0x6e);
        assert_eq!(teal.readable_on(&[WHITE], BLACK), teal);
        assert!(WHITE.readable_on(&[WHITE], BLACK).contrast(WHITE) >= AA);
    }

    #[test]
    fn only_six_hex_digits_are_a_colour() {
        assert_eq!(Colour::parse("#0F766e"), Some(Colour(0x0f, 0x76, 0x6e)));
        assert_eq!(Colour::parse("#0F766e").map(|c| c.to_string()).as_deref(), Some("#0f766e"));
        for text in ["", "#", "#fff", "0f766e", "#0f766e;", "#+f766e", "red", "#00000é", "#0f766e00"] {
            assert_eq!(Colour::parse(text), None, "{text}");
        }
    }
}
