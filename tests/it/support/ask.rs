//! One authorization request by GET and as a form, from a browser without cookies.

use super::Server;
use super::requests::{Answer, Authorize};

/// What the two gave.
pub struct Asked {
    pub get: Answer,
    pub post: Answer,
}

impl Server {
    pub async fn ask(&self, request: &Authorize) -> Asked {
        let form = self.http.post(self.url("/oauth2/auth")).form(request.fields());
        Asked {
            get: Answer::of(self.http.get(request.url(self)).send().await.unwrap()).await,
            post: Answer::of(form.send().await.unwrap()).await,
        }
    }

    /// `BACK` of security-cases.md: 302 after GET and 303 after POST, `state` if and only if it was sent, `iss` once.
    pub async fn assert_back(&self, request: &Authorize, code: &str) {
        let asked = self.ask(request).await;
        for (status, answer) in [(302, &asked.get), (303, &asked.post)] {
            let what = request.query();
            assert_eq!(answer.status, status, "{what}: {}", answer.body);
            // What would have held a token goes back in the fragment, its error too.
            let words = request.fields().iter().filter(|(name, _)| name == "response_type");
            let front = words.flat_map(|(_, text)| text.split(' ')).any(|word| matches!(word, "token" | "id_token"));
            let place = if front { "https://rp.example/cb#" } else { "https://rp.example/cb?" };
            assert!(answer.location().is_some_and(|location| location.starts_with(place)), "{what}");
            answer.assert_refusal(self, code);
            let sent: Vec<_> = request.fields().iter().filter(|(name, _)| name == "state").collect();
            let pairs = answer.pairs();
            let came: Vec<_> = pairs.iter().filter(|(name, _)| name == "state").collect();
            assert_eq!(came, sent, "{what}");
            assert_eq!(pairs.iter().filter(|(name, _)| name == "iss").count(), 1, "{what}");
            assert!(!answer.headers.contains_key("set-cookie"), "{what}: {:?}", answer.headers);
        }
    }

    /// `PAGE` of security-cases.md, by GET and by POST: nothing leads to a client, and nothing is begun.
    pub async fn assert_page(&self, request: &Authorize, status: u16, code: &str) {
        let asked = self.ask(request).await;
        for answer in [&asked.get, &asked.post] {
            let what = request.query();
            assert_eq!((answer.status, answer.location()), (status, None), "{what}: {}", answer.body);
            answer.assert_page(status, code);
            assert!(!answer.headers.contains_key("set-cookie"), "{what}: {:?}", answer.headers);
        }
    }
}

impl Answer {
    /// The parameters of a redirect's query or fragment, decoded, in their order.
    pub fn pairs(&self) -> Vec<(String, String)> {
        let location = self.location().unwrap_or_default();
        let query = location.split_once(['?', '#']).map(|(_, query)| query).unwrap_or_default();
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    /// Every hidden field of a page as it reaches the one whom the form is sent to.
    pub fn hidden_fields(&self) -> Vec<(String, String)> {
        let unescape =
            |text: &str| text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        let attribute = |tag: &str, name: &str| {
            let (_, rest) = tag.split_once(&format!("{name}=\""))?;
            rest.split_once('"').map(|(value, _)| unescape(value))
        };
        self.body
            .split("<input type=\"hidden\"")
            .skip(1)
            .filter_map(|tag| Some((attribute(tag, " name")?, attribute(tag, " value")?)))
            .collect()
    }
}
