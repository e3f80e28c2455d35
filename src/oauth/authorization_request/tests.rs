use super::*;

fn client(json: &serde_json::Value) -> ClientMetadata {
    let mut whole =
        serde_json::json!({ "redirect_uris": ["https://rp.example/cb"], "scope": "openid offline_access profile" });
    whole.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
    serde_json::from_value(whole).unwrap()
}

fn ask(client: &ClientMetadata, query: &str) -> Result<AuthorizationRequest, Refused> {
    let params = Params::parse(query.as_bytes()).unwrap();
    let id = client_id(&params)?;
    let hinted = Subject::new("alice");
    let context = Context {
        client,
        default_scope: &[],
        strategy: ScopeStrategy::Wildcard,
        pkce_enforced: false,
        response_types: ResponseType::ALL,
        supported_claims: &["role".to_owned()],
        hinted: Some(&hinted),
        own_login: true,
    };
    validate(&params, &id, &context)
}

const GOOD: &str = "client_id=web&redirect_uri=https%3A%2F%2Frp.example%2Fcb&response_type=code&scope=openid&state=s";

fn back(outcome: Result<AuthorizationRequest, Refused>) -> ErrorCode {
    match outcome {
        Err(Refused::Back(_, error)) => error.code,
        other => panic!("not sent back: {other:?}"),
    }
}

fn page(outcome: Result<AuthorizationRequest, Refused>) -> ErrorCode {
    match outcome {
        Err(Refused::Page(error)) => error.code,
        other => panic!("no page: {other:?}"),
    }
}

#[test]
fn nothing_is_sent_to_a_redirect_uri_that_is_not_proven() {
    let web = client(&serde_json::json!({}));
    for query in [
        "redirect_uri=https://rp.example/cb&response_type=code".to_owned(),
        GOOD.replace("cb&", "cb%2F&"),
        format!("{GOOD}&client_id=evil"),
        format!("{GOOD}&redirect_uri=https://evil.example/cb"),
        format!("nonce=1&nonce=2&{GOOD}&redirect_uri=https://evil.example/cb"),
        format!("x=1&x=2&{GOOD}&client_id=evil"),
        "client_id=web&response_type=code&scope=openid".to_owned(),
    ] {
        assert_eq!(page(ask(&web, &query)), ErrorCode::InvalidRequest, "{query}");
    }
    let none = client(&serde_json::json!({ "redirect_uris": [] }));
    assert_eq!(page(ask(&none, GOOD)), ErrorCode::UnauthorizedClient);
}

#[test]
fn plain_oauth_may_leave_out_the_only_redirect_uri() {
    let request = ask(&client(&serde_json::json!({})), "client_id=web&response_type=code&scope=profile").unwrap();
    assert_eq!(request.redirect_uri, None);
    assert_eq!(request.reply_to.redirect_uri(), "https://rp.example/cb");
}

#[test]
fn each_fault_has_its_error() {
    let web = client(&serde_json::json!({}));
    for (query, code) in [
        (GOOD.replace("response_type=code&", ""), ErrorCode::InvalidRequest),
        (GOOD.replace("=code&", "=foo&"), ErrorCode::UnsupportedResponseType),
        (format!("{GOOD}&response_mode=xyz"), ErrorCode::UnsupportedResponseMode),
        (format!("{GOOD}&response_mode=query&response_mode=query"), ErrorCode::InvalidRequest),
        (format!("{GOOD}&nonce=1&nonce=2"), ErrorCode::InvalidRequest),
        (GOOD.replace("=openid", "=openid+admin"), ErrorCode::InvalidScope),
        (format!("{GOOD}&prompt=none+login"), ErrorCode::InvalidRequest),
        (format!("{GOOD}&prompt=NONE"), ErrorCode::InvalidRequest),
        (format!("{GOOD}&request=x"), ErrorCode::RequestNotSupported),
        (format!("{GOOD}&request_uri=x"), ErrorCode::RequestUriNotSupported),
        (format!("{GOOD}&registration=x"), ErrorCode::RegistrationNotSupported),
        (format!("{GOOD}&resource=https://other.example"), ErrorCode::InvalidTarget),
        (format!("{GOOD}&resource=relative"), ErrorCode::InvalidTarget),
        (format!("{GOOD}&audience=https://other.example"), ErrorCode::InvalidRequest),
        (format!("{GOOD}&code_challenge_method=S256"), ErrorCode::InvalidRequest),
    ] {
        assert_eq!(back(ask(&web, &query)), code, "{query}");
    }
}

#[test]
fn max_age_is_a_whole_number() {
    let web = client(&serde_json::json!({}));
    for (text, seconds) in [("0", 0), ("1", 1), ("15000", 15000)] {
        assert_eq!(ask(&web, &format!("{GOOD}&max_age={text}")).unwrap().max_age, Some(seconds));
    }
    for text in ["-1", "1.5", "1e3", "99999999999999999999", "0x10", "%2B1"] {
        assert_eq!(back(ask(&web, &format!("{GOOD}&max_age={text}"))), ErrorCode::InvalidRequest, "{text}");
    }
}

#[test]
fn a_public_client_needs_pkce() {
    let spa = client(&serde_json::json!({ "token_endpoint_auth_method": "none" }));
    assert_eq!(back(ask(&spa, GOOD)), ErrorCode::InvalidRequest);
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    assert!(ask(&spa, &format!("{GOOD}&code_challenge={challenge}&code_challenge_method=S256")).is_ok());
}

#[test]
fn state_and_issuer_go_with_every_answer() {
    let request = ask(&client(&serde_json::json!({})), &GOOD.replace("state=s", "state=a%0d%0aX%3A%261")).unwrap();
    let location = request.reply_to.location("https://op.example", &[("code", "c")]);
    assert_eq!(location, "https://rp.example/cb?code=c&state=a%0D%0AX%3A%261&iss=https%3A%2F%2Fop.example");
}

fn front(json: &serde_json::Value) -> ClientMetadata {
    let mut whole = serde_json::json!({
        "grant_types": ["authorization_code", "implicit"],
        "response_types": ResponseType::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
    });
    whole.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
    client(&whole)
}

fn mode(outcome: &Result<AuthorizationRequest, Refused>) -> ResponseMode {
    match outcome {
        Ok(request) => request.reply_to.mode(),
        Err(Refused::Back(reply_to, _)) => reply_to.mode(),
        Err(Refused::Page(error) | Refused::Ask(_, error)) => panic!("a page: {error}"),
    }
}

/// AZ-07, AZ-08: errors travel as the answer would have.
#[test]
fn every_response_type_has_its_mode_for_errors_too() {
    let all = front(&serde_json::json!({}));
    for kind in ResponseType::ALL {
        let query =
            GOOD.replace("response_type=code&", &format!("response_type={}&nonce=n&", kind.as_str().replace(' ', "+")));
        let asked = ask(&all, &query);
        assert_eq!((mode(&asked), asked.unwrap().response_type), (kind.default_mode(), *kind));
        assert_eq!(mode(&ask(&all, &format!("{query}&response_mode=form_post"))), ResponseMode::FormPost);
        let in_query = ask(&all, &format!("{query}&response_mode=query"));
        assert_eq!(mode(&in_query), kind.default_mode(), "{kind:?}");
        assert_eq!(in_query.is_err(), kind.default_mode() == ResponseMode::Fragment, "{kind:?}");
        for fault in ["&scope2=x&prompt=foo", "&response_mode=xyz", "&response_mode=query&response_mode=query"] {
            let refused = ask(&all, &format!("{query}{fault}"));
            assert_eq!(mode(&refused), kind.default_mode(), "{kind:?} {fault}");
            assert!(refused.is_err());
        }
    }
    assert_eq!(mode(&ask(&all, &GOOD.replace("=code&", "=id_token+foo&"))), ResponseMode::Fragment);
}

/// ID-04, OpenID Connect Core section 3.3.2.11: wherever an ID token comes from the front, and nowhere else.
#[test]
fn a_nonce_is_needed_where_an_id_token_comes_from_the_front() {
    let all = front(&serde_json::json!({}));
    for kind in ResponseType::ALL {
        let query = GOOD.replace("response_type=code&", &format!("response_type={}&", kind.as_str().replace(' ', "+")));
        assert_eq!(ask(&all, &query).is_err(), kind.gives_id_token(), "{kind:?}");
        assert!(ask(&all, &format!("{query}&nonce=n")).is_ok(), "{kind:?}");
        let plain = query.replace("scope=openid", "scope=profile&nonce=n");
        assert_eq!(ask(&all, &plain).is_err(), kind.gives_id_token(), "{kind:?}");
    }
}

/// TC-17: what is neither offered nor registered with its grants is refused.
#[test]
fn a_response_type_needs_its_grant_types() {
    let no_implicit = front(&serde_json::json!({"grant_types": ["authorization_code"]}));
    let no_code = front(&serde_json::json!({"grant_types": ["implicit"]}));
    for kind in ResponseType::ALL {
        let query =
            GOOD.replace("response_type=code&", &format!("response_type={}&nonce=n&", kind.as_str().replace(' ', "+")));
        let implicit = kind.is_front();
        assert_eq!(ask(&no_implicit, &query).is_err(), implicit, "{kind:?}");
        assert_eq!(ask(&no_code, &query).is_err(), kind.gives_code(), "{kind:?}");
    }
}

/// OpenID Connect Core section 5.5: by name, but not past what the client is registered for.
#[test]
fn claims_by_name_stay_within_the_registered_scope() {
    let web = client(&serde_json::json!({}));
    let claims =
        serde_json::json!({"userinfo": {"name": null, "email": null, "role": null, "other": null, "name#de": null}});
    let query: String =
        url::form_urlencoded::Serializer::new(GOOD.to_owned()).append_pair("claims", &claims.to_string()).finish();
    let request = ask(&web, &query).unwrap();
    assert_eq!(request.claims.names().collect::<Vec<_>>(), ["name", "name#de", "role"]);
    let beside: Vec<_> = request.claims_beside(&request.scope).collect();
    assert_eq!(beside, ["name", "name#de", "role"]);
    let scope = Scope::parse("openid profile").unwrap();
    assert_eq!(request.claims_beside(&scope).collect::<Vec<_>>(), ["role"]);
}

/// AZ-26, AZ-28.
#[test]
fn who_and_how_surely_can_be_asked_for() {
    let web = client(&serde_json::json!({}));
    let with = |claims: serde_json::Value, more: &str| {
        let query =
            url::form_urlencoded::Serializer::new(GOOD.to_owned()).append_pair("claims", &claims.to_string()).finish();
        ask(&web, &format!("{query}{more}"))
    };
    let sub = serde_json::json!({"id_token": {"sub": {"value": "bob"}}});
    assert_eq!(with(sub.clone(), "").unwrap().subjects, [Subject::new("bob")]);
    assert_eq!(back(with(sub, "&id_token_hint=x")), ErrorCode::LoginRequired, "the hint is alice's");
    let acr = |values: &[&str], essential: bool| serde_json::json!({"id_token": {"acr": {"essential": essential, "values": values}}});
    assert_eq!(back(with(acr(&["urn:x:loa9"], true), "")), ErrorCode::UnmetAuthenticationRequirements);
    assert_eq!(with(acr(&["urn:x:loa9", "1"], true), "").unwrap().essential_acr, ["urn:x:loa9", "1"]);
    assert!(with(acr(&["urn:x:loa9"], false), "").unwrap().essential_acr.is_empty());
}

#[test]
fn a_client_may_have_a_max_age_of_its_own() {
    let web = client(&serde_json::json!({"default_max_age": 60}));
    assert_eq!(ask(&web, GOOD).unwrap().max_age, Some(60));
    assert_eq!(ask(&web, &format!("{GOOD}&max_age=5")).unwrap().max_age, Some(5));
}
