//! The frame that clients watch a session by: OpenID Connect Session Management 1.0 section 3.2.

use std::sync::LazyLock;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::content_security_policy::hash_source;

/// Answers `client_id session_state` with `unchanged`, `changed` or `error`, to the origin that has asked and to no other.
/// The origin is what the browser says it is; a page that has none (`null`) could not be answered alone. Who asks is the
/// page that the frame is in, or of its origin, which browsers tell in two ways.
///
/// Without a state there is nothing to compare: the browser keeps it from the frame, or has none. That is an `error`, so
/// that clients do not ask again and again.
///
/// The hash is that of `oauth/session_state.rs`. `crypto.subtle` is there only where the page and all around it came over
/// https or from this machine: elsewhere the answer is `error`, which tells a client to do nothing.
const SCRIPT: &str = r#"(() => {
const name = document.currentScript.dataset.cookie + "=";
const state = () => {
  const found = document.cookie.split("; ").filter((pair) => pair.startsWith(name));
  return found.length === 1 ? found[0].slice(name.length) : "";
};
const hash = async (text) => {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return btoa(String.fromCharCode(...new Uint8Array(digest))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
};
const host = location.ancestorOrigins?.[0] ?? (document.referrer && new URL(document.referrer).origin);
const judge = async (message, origin, source) => {
  if (source !== parent && origin !== host) return "error";
  const parts = typeof message === "string" && message.length < 1000 && /^(.+) ([\w-]{43})\.([\w-]{22})$/.exec(message);
  if (!parts || !globalThis.crypto?.subtle) return "error";
  const [, client, given, salt] = parts;
  const now = state();
  if (!now) return "error";
  return await hash(`${client} ${origin} ${now} ${salt}`) === given ? "unchanged" : "changed";
};
addEventListener("message", async ({ data, origin, source }) => {
  if (!source || !/^https?:/.test(origin)) return;
  const answer = await judge(data, origin, source).catch(() => "error");
  source.postMessage(answer, origin);
});
})()"#;

static SCRIPT_SOURCE: LazyLock<String> = LazyLock::new(|| hash_source(SCRIPT));

/// Anybody may frame it; it loads nothing and runs one script.
pub fn csp() -> String {
    format!("default-src 'none'; script-src {}; form-action 'none'; base-uri 'none'", *SCRIPT_SOURCE)
}

/// `cookie` is the name of the cookie with the browser's state.
pub fn page(cookie: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="robots" content="noindex";
                title { "Session" }
            }
            body {
                script data-cookie=(cookie) { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_allows_this_script_and_no_other() {
        let html = page("__Host-hydrant_state").into_string();
        let script = html.split("<script data-cookie=\"__Host-hydrant_state\">").nth(1).unwrap();
        let script = script.split("</script>").next().unwrap();
        assert!(csp().contains(&format!("; script-src {}; ", hash_source(script))));
        assert!(csp().starts_with("default-src 'none'; ") && !csp().contains("frame-ancestors"));
    }
}
