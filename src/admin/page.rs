//! Lists by pages: `page_size`, a sealed `page_token`, and `Link` headers (RFC 8288), as Hydra has them.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, http::HeaderMap};
use serde::Serialize;

use crate::app::App;
use crate::oauth::params::Params;
use crate::oauth::{ErrorCode, Result};
use crate::seal::Kind;

const DEFAULT_SIZE: i64 = 100;
/// More than this is not refused, but not given either.
const MOST: i64 = 500;

/// Hydra's specification names it as the token of the first page, and generated SDKs send it.
const FIRST: &str = "1";

/// Which part of a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub size: i64,
    /// The id of the last one that was seen.
    pub after: Option<String>,
}

impl Default for Asked {
    fn default() -> Self {
        Self { size: DEFAULT_SIZE, after: None }
    }
}

/// Some of a list, and where the rest begins.
#[derive(Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// From one row more than was asked for: it tells whether there is a next page.
    pub fn of(mut rows: Vec<T>, asked: &Asked, id: impl Fn(&T) -> String) -> Self {
        let size = usize::try_from(asked.size).unwrap_or(usize::MAX);
        let more = rows.len() > size;
        rows.truncate(size);
        let next = rows.last().filter(|_| more).map(id);
        Self { items: rows, next }
    }
}

/// The query of a list, each parameter at most once.
pub fn query(text: Option<&str>) -> Result<Params> {
    let params = Params::parse(text.unwrap_or_default().as_bytes())?;
    if params.repeated().is_some() {
        return Err(ErrorCode::InvalidRequest.because("A parameter is given more than once."));
    }
    Ok(params)
}

impl Asked {
    /// `list` is what a token is bound to: one of another list is refused.
    pub fn read(app: &App, list: &str, params: &Params) -> Result<Self> {
        let after = match params.get("page_token") {
            None | Some(FIRST) => None,
            Some(token) => {
                let opened: Option<(String, String)> = app.keys.live()?.sealer.open(Kind::Page, token);
                let (_, after) = opened.filter(|(of, _)| of == list).ok_or_else(|| {
                    ErrorCode::InvalidRequest.because("The page_token is not one that this list has given.")
                })?;
                Some(after)
            }
        };
        Ok(Self { size: size(params.get("page_size"))?, after })
    }
}

fn size(text: Option<&str>) -> Result<i64> {
    let Some(text) = text else { return Ok(DEFAULT_SIZE) };
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().unwrap_or(MOST));
    number
        .filter(|size| *size > 0)
        .map(|size: i64| size.min(MOST))
        .ok_or_else(|| ErrorCode::InvalidRequest.because("The page_size must be a number from 1 to 500."))
}

/// The page as a JSON list, with `Link: <…>; rel="first"` and, unless it is the last, `rel="next"`.
pub fn answer<T: Serialize>(app: &App, list: &str, params: &Params, asked: &Asked, page: Page<T>) -> Result<Response> {
    let mut links = vec![link(list, params, asked.size, None, "first")];
    if let Some(next) = &page.next {
        let token = app.keys.live()?.sealer.seal(Kind::Page, &(list, next));
        links.push(link(list, params, asked.size, Some(&token), "next"));
    }
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&links.join(", ")) {
        headers.insert(header::LINK, value);
    }
    Ok((headers, Json(page.items)).into_response())
}

fn link(list: &str, params: &Params, size: i64, token: Option<&str>, rel: &str) -> String {
    let filters = params.iter().filter(|(name, _)| !matches!(*name, "page_size" | "page_token"));
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("page_size", &size.to_string()).extend_pairs(filters);
    if let Some(token) = token {
        query.append_pair("page_token", token);
    }
    format!("</admin/{list}?{}>; rel=\"{rel}\"", query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AD-08: a size is a positive number; a huge one is held to the most.
    #[test]
    fn a_page_has_a_size() {
        assert_eq!(size(None).unwrap(), 100);
        assert_eq!(size(Some("7")).unwrap(), 7);
        assert_eq!(size(Some("501")).unwrap(), 500);
        assert_eq!(size(Some("99999999999999999999999")).unwrap(), 500);
        for text in ["0", "-1", "+1", "1.5", "ten", " 1", "00"] {
            assert_eq!(size(Some(text)).unwrap_err().code, ErrorCode::InvalidRequest, "{text}");
        }
    }

    #[test]
    fn one_row_more_tells_of_a_next_page() {
        let asked = Asked { size: 2, after: None };
        let page = Page::of(vec![1, 2, 3], &asked, ToString::to_string);
        assert_eq!((page.items, page.next.as_deref()), (vec![1, 2], Some("2")));
        let last = Page::of(vec![1, 2], &asked, ToString::to_string);
        assert_eq!((last.items, last.next), (vec![1, 2], None));
    }

    #[test]
    fn a_link_keeps_the_filters() {
        let params = query(Some("owner=a%26b&page_token=old&page_size=9")).unwrap();
        assert_eq!(
            link("clients", &params, 9, Some("new"), "next"),
            "</admin/clients?page_size=9&owner=a%26b&page_token=new>; rel=\"next\""
        );
        assert!(query(Some("owner=a&owner=b")).is_err());
    }
}
