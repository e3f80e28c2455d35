//! The stylesheet and the icon: two themes from two palettes, and one accent that the operator chooses.

use std::fmt::Write as _;
use std::sync::LazyLock;

use super::colour::{BLACK, Colour, WHITE};
use crate::secret::fingerprint;

/// Where the operator chose none, or none that can be read as `#rrggbb`.
const DEFAULT_ACCENT: Colour = Colour(0x1d, 0x5f, 0xd0);

/// A shield with a keyhole, as an SVG path in a square of 24.
pub(super) const MARK: &str = "M12 1.5 3.5 4.6v6.2c0 5.3 3.5 9.6 8.5 11.7 5-2.1 8.5-6.4 8.5-11.7V4.6zm0 5.4a2.7 2.7 0 0 1 \
    1.4 5l.8 4.1H9.8l.8-4.1A2.7 2.7 0 0 1 12 6.9z";

/// The colours of a theme; every pair that carries text reaches AA, every edge of a field 3:1 (WCAG 2.2 section 1.4).
struct Theme {
    page: Colour,
    card: Colour,
    text: Colour,
    muted: Colour,
    line: Colour,
    edge: Colour,
    danger: Colour,
    danger_ground: Colour,
    /// Where colours that are hard to read move to.
    far_end: Colour,
}

const LIGHT: Theme = Theme {
    page: Colour(0xf3, 0xf4, 0xf7),
    card: WHITE,
    text: Colour(0x15, 0x18, 0x1e),
    muted: Colour(0x55, 0x5c, 0x69),
    line: Colour(0xe1, 0xe4, 0xea),
    edge: Colour(0x80, 0x87, 0x94),
    danger: Colour(0xa8, 0x1d, 0x16),
    danger_ground: Colour(0xfd, 0xee, 0xec),
    far_end: BLACK,
};

const DARK: Theme = Theme {
    page: Colour(0x0e, 0x10, 0x14),
    card: Colour(0x18, 0x1b, 0x21),
    text: Colour(0xed, 0xef, 0xf3),
    muted: Colour(0xa9, 0xb0, 0xbc),
    line: Colour(0x2d, 0x32, 0x3b),
    edge: Colour(0x73, 0x7b, 0x88),
    danger: Colour(0xff, 0xb4, 0xab),
    danger_ground: Colour(0x3a, 0x19, 0x17),
    far_end: WHITE,
};

impl Theme {
    /// The accent where it is text, a focus ring or an edge: readable on the page and on the card.
    fn link(&self, accent: Colour) -> Colour {
        accent.readable_on(&[self.page, self.card], self.far_end)
    }

    /// A breath of the accent behind the letter that stands for a logo.
    fn tint(&self, accent: Colour) -> Colour {
        self.card.mixed(accent, 14)
    }

    fn variables(&self, accent: Colour) -> String {
        let on_accent = accent.text();
        // Away from the text on it: a pointer over a button never costs contrast.
        let hover = accent.mixed(if on_accent == WHITE { BLACK } else { WHITE }, 14);
        let mut css = String::new();
        for (name, colour) in [
            ("page", self.page),
            ("card", self.card),
            ("text", self.text),
            ("muted", self.muted),
            ("line", self.line),
            ("edge", self.edge),
            ("danger", self.danger),
            ("danger-ground", self.danger_ground),
            ("accent", accent),
            ("accent-hover", hover),
            ("on-accent", on_accent),
            ("link", self.link(accent)),
            ("tint", self.tint(accent)),
        ] {
            let _ = write!(css, "--{name}:{colour};");
        }
        css
    }
}

fn accent_or_default(accent: &str) -> Colour {
    Colour::parse(accent).unwrap_or(DEFAULT_ACCENT)
}

/// The body of `{base}/ui/hydrant.css`, type `text/css`: the variables of both themes, then [`STYLESHEET`].
pub fn stylesheet(accent: &str) -> String {
    let accent = accent_or_default(accent);
    let (light, dark) = (LIGHT.variables(accent), DARK.variables(accent));
    format!(":root{{{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{STYLESHEET}")
}

/// The body of `{base}/ui/icon.svg`, type `image/svg+xml`.
pub fn icon(accent: &str) -> String {
    let accent = accent_or_default(accent);
    let (light, dark) = (LIGHT.link(accent), DARK.link(accent));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 24 24\"><style>path{{fill:{light}}}\
         @media (prefers-color-scheme:dark){{path{{fill:{dark}}}}}</style><path fill-rule=\"evenodd\" d=\"{MARK}\"/></svg>"
    )
}

/// The first letter of a client's name as an image of type `image/svg+xml`, in place of a logo that can not be had.
/// Letters and digits alone: no name can write markup.
pub fn letter(name: &str) -> String {
    let letter = initial(name).unwrap_or_default();
    let (light, dark) = (LIGHT.text, DARK.text);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 56 56\"><style>text{{fill:{light};\
         font:600 24px system-ui,sans-serif}}@media (prefers-color-scheme:dark){{text{{fill:{dark}}}}}</style>\
         <text x=\"28\" y=\"36.5\" text-anchor=\"middle\">{letter}</text></svg>"
    )
}

/// The first letter or digit of a name, as a capital.
pub(super) fn initial(name: &str) -> Option<String> {
    name.chars().find(|c| c.is_alphanumeric()).map(|c| c.to_uppercase().to_string())
}

/// What changes when the stylesheet or the icon does: as the `v` of their addresses it lets both be cached for a year.
pub fn version(accent: &str) -> String {
    static CONTENT: LazyLock<String> = LazyLock::new(|| fingerprint(&stylesheet("")).chars().take(10).collect());
    let Colour(r, g, b) = accent_or_default(accent);
    format!("{}-{r:02x}{g:02x}{b:02x}", *CONTENT)
}

/// The rules; every colour is a variable. Fields are 16 px or more, so that a phone does not zoom into them, and what
/// can be pressed is 44 px high (WCAG 2.2 success criterion 2.5.5).
pub const STYLESHEET: &str = r"
:root { color-scheme: light dark; }
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; min-height: 100vh; min-height: 100dvh; padding: 1.5rem 1rem 2.5rem;
  display: flex; flex-direction: column; align-items: center; gap: 1.25rem;
  background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', Ubuntu, Cantarell, 'Helvetica Neue', sans-serif;
  overflow-wrap: anywhere;
}
h1, p, ul, dl, dd, fieldset { margin: 0; padding: 0; }
fieldset { border: 0; min-width: 0; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }

.brand { display: flex; align-items: center; gap: .625rem; max-width: 26rem; font-weight: 600; font-size: 1.0625rem; }
.mark { flex: none; color: var(--link); width: 1.75rem; height: 1.75rem; }
.card {
  width: 100%; max-width: 26rem; padding: 2rem;
  display: flex; flex-direction: column; gap: 1.5rem;
  background: var(--card); border: 1px solid var(--line); border-radius: 1rem;
  box-shadow: 0 1px 2px rgb(0 0 0 / 4%), 0 12px 32px -12px rgb(0 0 0 / 12%);
}

.intro { display: flex; flex-direction: column; align-items: center; gap: .5rem; text-align: center; color: var(--muted); }
.intro h1 { color: var(--text); font-size: 1.5rem; line-height: 1.25; font-weight: 650; letter-spacing: -.01em; text-wrap: balance; }
.intro .message { color: var(--text); }
.name { font-weight: 600; color: var(--text); }
h1 .name { font-weight: inherit; }
.logo { width: 3.5rem; height: 3.5rem; margin-bottom: .25rem; border-radius: .875rem; object-fit: contain; background: var(--tint); }
.letter { display: grid; place-items: center; color: var(--text); font-size: 1.5rem; font-weight: 600; }

.alert {
  padding: .75rem 1rem; border-radius: .625rem; border: 1px solid currentcolor;
  background: var(--danger-ground); color: var(--danger); font-weight: 500;
}

form { display: flex; flex-direction: column; }
form:empty, #switch { display: none; }
label[for] { margin-bottom: .375rem; font-weight: 600; font-size: .9375rem; }
input[type=text], input[type=password] {
  width: 100%; min-height: 2.875rem; margin-bottom: 1.125rem; padding: .5rem .875rem;
  border: 1px solid var(--edge); border-radius: .625rem; background: var(--card); color: var(--text); font: inherit;
}
input[type=text]:focus-visible, input[type=password]:focus-visible { outline-offset: -1px; border-color: var(--link); }
input[aria-invalid=true] { border-color: var(--danger); }
.check { display: flex; align-items: flex-start; gap: .75rem; min-height: 2.75rem; padding: .625rem 0; cursor: pointer; }
.check input { flex: none; width: 1.25rem; height: 1.25rem; margin: .125rem 0 0; accent-color: var(--link); }

.account { display: flex; flex-direction: column; align-items: center; text-align: center; color: var(--muted); margin-top: -1rem; }
legend { padding: 0; margin-bottom: .375rem; color: var(--muted); }
fieldset { margin-bottom: .5rem; }
fieldset .check { padding: .75rem 0; border-top: 1px solid var(--line); }
fieldset .check:last-child { border-bottom: 1px solid var(--line); }
.title { display: block; font-weight: 600; }
.detail { display: block; color: var(--muted); font-size: .875rem; line-height: 1.4; }

.answers { display: flex; flex-direction: column; gap: .625rem; margin-top: .5rem; }
button, .button {
  display: flex; align-items: center; justify-content: center; width: 100%; min-height: 2.875rem; padding: .5rem 1rem;
  border: 1px solid var(--edge); border-radius: .625rem; background: var(--card); color: var(--text);
  font: inherit; font-weight: 600; text-align: center; text-decoration: none; cursor: pointer;
}
button:hover, .button:hover { background: var(--tint); }
.primary { border-color: var(--link); background: var(--accent); color: var(--on-accent); }
.primary:hover { background: var(--accent-hover); }
.link { width: auto; min-height: 2.75rem; padding: 0 .5rem; border: 0; background: none; color: var(--link); font-weight: 500; text-decoration: underline; text-underline-offset: .15em; }
.link:hover { background: none; text-decoration-thickness: 2px; }
a:not(.button) { color: var(--link); text-underline-offset: .15em; }
a:not(.button):hover { text-decoration-thickness: 2px; }

.wide { max-width: 44rem; }
h2 { margin: 0; font-size: 1.125rem; line-height: 1.3; font-weight: 650; }
section { display: flex; flex-direction: column; gap: .75rem; padding-top: 1.5rem; border-top: 1px solid var(--line); }
section form { gap: .75rem; }
section input[type=password] { margin-bottom: .375rem; }
section label[for] { margin-bottom: -.375rem; }
.notice { padding: .75rem 1rem; border: 1px solid var(--link); border-radius: .625rem; background: var(--tint); }
.rows { list-style: none; }
.row { display: flex; align-items: center; gap: 1rem; padding: .875rem 0; border-bottom: 1px solid var(--line); }
.row:first-child { padding-top: .25rem; }
.row:last-child { padding-bottom: 0; border: 0; }
.rows + button { margin-top: .5rem; }
.row .title { display: inline; }
.row .logo { flex: none; align-self: flex-start; width: 2.75rem; height: 2.75rem; margin: .125rem 0 0; border-radius: .625rem; }
.row .letter { font-size: 1.125rem; }
.what { flex: 1; min-width: 0; }
.badge {
  display: inline-block; padding: 0 .5rem; border: 1px solid var(--line); border-radius: 1rem; background: var(--tint);
  font-size: .8125rem; font-weight: 500; white-space: nowrap;
}
.small { flex: none; width: auto; min-height: 2.75rem; padding: .25rem .875rem; font-size: .9375rem; }
details { display: flex; flex-direction: column; }
details[open] summary { margin-bottom: .75rem; }
details > form { margin-top: 1rem; }
details > .alert { margin-bottom: .75rem; }
summary { padding: .5rem 0; cursor: pointer; border-radius: .375rem; }
summary h2 { display: inline; }
@media (max-width: 34rem) {
  .app { flex-wrap: wrap; }
  .app .small { flex: 1 0 100%; }
}

.facts { padding-top: 1.25rem; border-top: 1px solid var(--line); color: var(--muted); font-size: .875rem; text-align: center; }
.destination { color: var(--muted); font-size: .875rem; text-align: center; }
p.unverified { margin: 0 0 1rem; padding: .625rem .75rem; border: 1px solid var(--line); border-radius: .5rem;
    font-size: .875rem; }
form .destination { padding: .375rem 0; }
.host { font-weight: 600; color: var(--text); }
.links { display: flex; flex-wrap: wrap; justify-content: center; gap: 0 1.25rem; list-style: none; font-size: .875rem; }
.links a { display: inline-block; padding: .5rem 0; }
.facts dl { display: grid; grid-template-columns: auto 1fr; gap: .25rem 1rem; text-align: start; }
.facts dd { color: var(--text); }
code { font: .8125rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace; }

@media (min-width: 40rem) { body { padding-top: clamp(1.5rem, 7vh, 5rem); } .card { padding: 2.25rem 2.5rem; } }
@media (max-width: 30rem) {
  body { padding: 1.25rem 0 0; }
  .card { flex: 1; padding: 1.75rem 1.25rem; border-width: 1px 0 0; border-radius: 1.25rem 1.25rem 0 0; box-shadow: none; }
}
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::colour::{AA, tests::colours};

    #[test]
    fn both_themes_reach_aa() {
        for theme in [LIGHT, DARK] {
            for ground in [theme.page, theme.card] {
                assert!(theme.text.contrast(ground) >= AA);
                assert!(theme.muted.contrast(ground) >= AA);
            }
            assert!(theme.danger.contrast(theme.danger_ground) >= AA);
            assert!(theme.danger.contrast(theme.card) >= AA);
            assert!(theme.edge.contrast(theme.card) >= 3.0, "the edge of a field, success criterion 1.4.11");
        }
    }

    #[test]
    fn any_accent_reaches_aa_in_both_themes() {
        for accent in colours() {
            for theme in [LIGHT, DARK] {
                let css = theme.variables(accent);
                let value = |name: &str| {
                    let (_, rest) = css.split_once(&format!("--{name}:")).expect("a variable");
                    Colour::parse(&rest[..7]).expect("a colour")
                };
                for (text, ground) in [
                    ("on-accent", "accent"),
                    ("on-accent", "accent-hover"),
                    ("link", "card"),
                    ("link", "page"),
                    ("text", "tint"),
                ] {
                    assert!(value(text).contrast(value(ground)) >= AA, "{text} on {ground}, accent {accent}");
                }
            }
        }
    }

    #[test]
    fn the_accent_is_a_colour_or_the_default() {
        assert!(stylesheet("#C0FFEE").contains("--accent:#c0ffee;"));
        for accent in ["red;}body{display:none", "#fff", "", "url(//evil.example)"] {
            assert_eq!(stylesheet(accent), stylesheet("#1d5fd0"), "{accent}");
        }
    }

    #[test]
    fn the_rules_load_nothing_and_name_no_colour_of_their_own() {
        for banned in ["url(", "@import", "http", "#0", "#f"] {
            assert!(!STYLESHEET.contains(banned), "{banned}");
        }
        let css = stylesheet("#0f766e");
        for name in STYLESHEET.split("var(--").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert_eq!(css.matches(&format!("--{name}:")).count(), 2, "{name} in both themes");
        }
        assert_eq!(STYLESHEET.matches('{').count(), STYLESHEET.matches('}').count());
    }

    #[test]
    fn the_version_follows_the_accent() {
        assert_ne!(version("#0f766e"), version("#0f766f"));
        assert_eq!(version("#0F766E"), version("#0f766e"));
        assert!(version("").bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
    }

    #[test]
    fn a_letter_is_no_markup() {
        assert!(letter("<script> hydrant").contains(">S</text>"));
        assert!(letter("ßé & co").contains(">SS</text>"));
        assert!(letter("<>\"&").contains("></text>"));
    }

    #[test]
    fn the_icon_has_the_accent() {
        assert!(icon("#0f766e").contains("path{fill:#0f766e}"));
    }
}
