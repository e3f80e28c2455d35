//! Private keys as the specifications print them, made into the PKCS#8 that the code reads.

use aws_lc_rs::agreement::{self, PrivateKey};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use serde_json::Value;

use crate::jose::decode;
use crate::jose::der::{SEQUENCE, der, integer, rsa_private_key};

/// RFC 5958, of a private JWK: RSA (RFC 8017 appendix A.1.2), a NIST curve, X25519 or Ed25519 (RFC 8410 section 7).
pub fn pkcs8(jwk: &Value) -> Vec<u8> {
    let member = |name: &str| decode(jwk[name].as_str().unwrap()).unwrap();
    let nist = |alg| {
        let key = PrivateKey::from_private_key(alg, &member("d")).unwrap();
        let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
        der.as_ref().to_vec()
    };
    let edwards = |oid: u8| {
        let algorithm = der(SEQUENCE, &[&der(OID, &[&[0x2b, 0x65, oid]])]);
        private_key_info(&algorithm, &der(OCTET_STRING, &[&member("d")]))
    };
    match (jwk["kty"].as_str().unwrap(), jwk["crv"].as_str()) {
        ("RSA", None) => {
            let key = rsa_private_key(&["n", "e", "d", "p", "q", "dp", "dq", "qi"].map(member));
            // rsaEncryption, with the NULL that belongs to it.
            let oid = der(OID, &[&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]]);
            private_key_info(&der(SEQUENCE, &[&oid, &der(5, &[])]), &key)
        }
        ("EC", Some("P-256")) => nist(&agreement::ECDH_P256),
        ("EC", Some("P-384")) => nist(&agreement::ECDH_P384),
        ("EC", Some("P-521")) => nist(&agreement::ECDH_P521),
        ("OKP", Some("X25519")) => edwards(0x6e),
        ("OKP", Some("Ed25519")) => edwards(0x70),
        other => panic!("no such key: {other:?}"),
    }
}

const OCTET_STRING: u8 = 4;
const OID: u8 = 6;

fn private_key_info(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let key = der(OCTET_STRING, &[key]);
    der(SEQUENCE, &[&integer(&[0]), algorithm, &key]).to_vec()
}
