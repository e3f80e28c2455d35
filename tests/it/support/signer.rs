//! What clients sign with: keys and secrets, and headers as odd as a test wants them.

use std::sync::atomic::{AtomicU32, Ordering};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use aws_lc_rs::{hmac, signature};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hydrant::jose::{Algorithm, SigningKey};
use serde_json::{Value, json};

use super::Server;

/// A client's key. It signs by aws-lc-rs itself, not by the server's code.
pub struct Signer {
    key: SigningKey,
    pkcs8: Vec<u8>,
}

impl Signer {
    pub fn new(alg: Algorithm) -> Self {
        let (key, pkcs8) = SigningKey::generate(alg).unwrap();
        Self { key, pkcs8: pkcs8.to_vec() }
    }

    pub fn es256() -> Self {
        Self::new(Algorithm::Es256)
    }

    pub fn jwk(&self) -> Value {
        serde_json::to_value(self.key.public_jwk()).unwrap()
    }

    pub fn jwks(&self) -> Value {
        json!({ "keys": [self.jwk()] })
    }

    /// The same with its private members, as another server exports it: read out of the PKCS#8 by a reader of our own.
    pub fn private_jwk(&self) -> Value {
        let [_, _, key, ..] = &members(&self.pkcs8)[..] else { panic!("no PKCS#8") };
        let mut jwk = self.jwk();
        match jwk["kty"].as_str().unwrap() {
            "RSA" => {
                for (name, number) in ["d", "p", "q", "dp", "dq", "qi"].iter().zip(&members(key)[3..]) {
                    jwk[name] = json!(encode(number.strip_prefix(&[0]).unwrap_or(number)));
                }
            }
            "EC" => jwk["d"] = json!(encode(members(key)[1])),
            _ => jwk["d"] = json!(encode(&key[2..])),
        }
        jwk
    }

    pub fn pem(&self) -> String {
        let body = base64::engine::general_purpose::STANDARD.encode(&self.pkcs8);
        let lines: Vec<_> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
    }

    pub fn kid(&self) -> &str {
        self.key.kid()
    }

    pub fn alg(&self) -> &'static str {
        self.key.alg().as_str()
    }

    /// By the server's own code, in any of its algorithms.
    pub fn sign_as_we_do(&self, claims: &Value) -> String {
        self.key.sign("JWT", claims).unwrap()
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as(&json!({ "alg": self.key.alg().as_str(), "kid": self.kid() }), claims)
    }

    /// With this header, whatever it says.
    pub fn sign_as(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    pub fn sign_text(&self, header: &str, claims: &str) -> String {
        let alg =
            serde_json::from_str::<Value>(header).ok().and_then(|header| header["alg"].as_str().map(str::to_owned));
        assemble(header, claims, |message| self.signature(alg.as_deref().unwrap_or_default(), message))
    }

    fn signature(&self, alg: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let rsa = |encoding: &'static dyn RsaEncoding| {
            let key = RsaKeyPair::from_pkcs8(&self.pkcs8).unwrap();
            let mut signature = vec![0; key.public_modulus_len()];
            key.sign(encoding, &random, message, &mut signature).unwrap();
            signature
        };
        let ecdsa = |algorithm: &'static signature::EcdsaSigningAlgorithm| {
            let key = EcdsaKeyPair::from_pkcs8(algorithm, &self.pkcs8).unwrap();
            key.sign(&random, message).unwrap().as_ref().to_vec()
        };
        match self.key.alg() {
            Algorithm::Es256 => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::Es384 => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8(&self.pkcs8).unwrap().sign(message).as_ref().to_vec(),
            _ if alg == "RS512" => rsa(&RSA_PKCS1_SHA512),
            _ if alg == "PS256" => rsa(&RSA_PSS_SHA256),
            _ => rsa(&RSA_PKCS1_SHA256),
        }
    }
}

/// The contents of what is in a SEQUENCE of DER.
fn members(sequence: &[u8]) -> Vec<&[u8]> {
    let mut rest = content(sequence).0;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (member, after) = content(rest);
        found.push(member);
        rest = after;
    }
    found
}

/// The content of the first value, and what comes after it.
fn content(der: &[u8]) -> (&[u8], &[u8]) {
    let (length, from) = match der[1] {
        short @ 0..0x80 => (usize::from(short), 2),
        long => {
            let from = 2 + usize::from(long & 0x7f);
            (der[2..from].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), from)
        }
    };
    der[from..].split_at(length)
}

/// The same by a secret.
pub fn mac(alg: &str, secret: &[u8], claims: &Value) -> String {
    let algorithm = match alg {
        "HS256" => hmac::HMAC_SHA256,
        "HS384" => hmac::HMAC_SHA384,
        _ => hmac::HMAC_SHA512,
    };
    let key = hmac::Key::new(algorithm, secret);
    assemble(&json!({ "alg": alg }).to_string(), &claims.to_string(), |message| {
        hmac::sign(&key, message).as_ref().to_vec()
    })
}

/// Signed by nobody.
pub fn unsigned(claims: &Value) -> String {
    assemble(r#"{"alg":"none"}"#, &claims.to_string(), |_| Vec::new())
}

fn assemble(header: &str, claims: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// The claims of a good assertion, with a `jti` of its own.
pub fn assertion(server: &Server, client: &str) -> Value {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let now = server.clock.now().seconds();
    json!({
        "iss": client, "sub": client, "aud": server.config().urls.issuer, "iat": now, "exp": now + 60,
        "jti": format!("jti-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)),
    })
}

/// The parameters that an assertion travels in.
pub fn proof(assertion: &str) -> [(&'static str, &str); 2] {
    [
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ]
}
