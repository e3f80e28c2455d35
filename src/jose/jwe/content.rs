//! The content of a JWE, encrypted and authenticated in one: RFC 7518 section 5.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    self, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use zeroize::Zeroizing;

use super::ContentEncryption;
use crate::secret;

/// RFC 7518 section 5.3: the only length there is.
const GCM_TAG: usize = 16;

pub(super) struct Sealed {
    pub iv: Vec<u8>,
    pub ciphertext: Vec<u8>,
    pub tag: Vec<u8>,
}

/// A content encryption key, for one token.
pub(super) fn random_key(enc: ContentEncryption) -> Zeroizing<Vec<u8>> {
    let bytes = Zeroizing::new(secret::random::<64>());
    Zeroizing::new(bytes[..enc.key_len()].to_vec())
}

pub(super) fn seal(enc: ContentEncryption, key: &[u8], aad: &[u8], plaintext: &[u8]) -> Option<Sealed> {
    let iv = match primitives(enc) {
        Primitives::Gcm(_) => secret::random::<12>().to_vec(),
        Primitives::Cbc { .. } => secret::random::<16>().to_vec(),
    };
    seal_with(enc, key, iv, aad, plaintext)
}

fn seal_with(enc: ContentEncryption, key: &[u8], iv: Vec<u8>, aad: &[u8], plaintext: &[u8]) -> Option<Sealed> {
    // Room for the padding, so that no copy of the plaintext stays behind.
    let mut content = Vec::with_capacity(plaintext.len() + 16);
    content.extend_from_slice(plaintext);
    match primitives(enc) {
        Primitives::Gcm(algorithm) => {
            let key = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
            let nonce = Nonce::try_assume_unique_for_key(&iv).ok()?;
            let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), &mut content).ok()?;
            Some(Sealed { iv, ciphertext: content, tag: tag.as_ref().to_vec() })
        }
        Primitives::Cbc { cipher, hash } => {
            let (mac_key, enc_key) = key.split_at_checked(enc.key_len() / 2)?;
            let key = PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(cipher, enc_key).ok()?).ok()?;
            let block: &[u8; 16] = iv.as_slice().try_into().ok()?;
            key.less_safe_encrypt(&mut content, EncryptionContext::Iv128(FixedLength::from(block))).ok()?;
            let tag = cbc_tag(hash, mac_key, aad, &iv, &content);
            Some(Sealed { iv, ciphertext: content, tag })
        }
    }
}

/// The plaintext, where the tag fits; nothing is decrypted, or shown, before that is known.
pub(super) fn open(enc: ContentEncryption, key: &[u8], aad: &[u8], sealed: Sealed) -> Option<Zeroizing<Vec<u8>>> {
    let Sealed { iv, ciphertext, tag } = sealed;
    let mut content = Zeroizing::new(ciphertext);
    match primitives(enc) {
        Primitives::Gcm(algorithm) => {
            let key = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
            let nonce = Nonce::try_assume_unique_for_key(&iv).ok()?;
            if tag.len() != GCM_TAG {
                return None;
            }
            key.open_in_place_separate_tag(nonce, Aad::from(aad), &tag, &mut content).ok()?;
            Some(content)
        }
        Primitives::Cbc { cipher, hash } => {
            let (mac_key, enc_key) = key.split_at_checked(enc.key_len() / 2)?;
            // In constant time, and of the whole length, or the padding would be an oracle.
            if !secret::same(&cbc_tag(hash, mac_key, aad, &iv, &content), &tag) {
                return None;
            }
            let key = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(cipher, enc_key).ok()?).ok()?;
            let block: &[u8; 16] = iv.as_slice().try_into().ok()?;
            let length = key.decrypt(&mut content, DecryptionContext::Iv128(FixedLength::from(block))).ok()?.len();
            content.truncate(length);
            Some(content)
        }
    }
}

enum Primitives {
    Gcm(&'static aead::Algorithm),
    Cbc { cipher: &'static cipher::Algorithm, hash: hmac::Algorithm },
}

fn primitives(enc: ContentEncryption) -> Primitives {
    match enc {
        ContentEncryption::A128Gcm => Primitives::Gcm(&aead::AES_128_GCM),
        ContentEncryption::A256Gcm => Primitives::Gcm(&aead::AES_256_GCM),
        ContentEncryption::A128CbcHs256 => Primitives::Cbc { cipher: &cipher::AES_128, hash: hmac::HMAC_SHA256 },
        ContentEncryption::A256CbcHs512 => Primitives::Cbc { cipher: &cipher::AES_256, hash: hmac::HMAC_SHA512 },
    }
}

/// RFC 7518 section 5.2.2.1, steps 4 to 6: the first half of the HMAC over AAD, IV, ciphertext and the AAD's length in
/// bits.
fn cbc_tag(hash: hmac::Algorithm, key: &[u8], aad: &[u8], iv: &[u8], ciphertext: &[u8]) -> Vec<u8> {
    let mut mac = hmac::Context::with_key(&hmac::Key::new(hash, key));
    mac.update(aad);
    mac.update(iv);
    mac.update(ciphertext);
    mac.update(&(aad.len() as u64 * 8).to_be_bytes());
    let tag = mac.sign();
    let tag = tag.as_ref();
    tag[..tag.len() / 2].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::{decode, vectors};

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    /// RFC 7518 appendix B: the key counts upwards, the rest is common to its cases.
    fn appendix_b(enc: ContentEncryption, ciphertext: &str, tag: &str) {
        let key: Vec<u8> = (0..u8::try_from(enc.key_len()).unwrap()).collect();
        let plaintext = b"A cipher system must not be required to be secret, and it must be able to fall into the \
                          hands of the enemy without inconvenience";
        let aad = b"The second principle of Auguste Kerckhoffs";
        let iv = hex("1af38c2dc2b96ffdd86694092341bc04");
        let sealed = seal_with(enc, &key, iv, aad, plaintext).unwrap();
        assert_eq!(sealed.ciphertext, hex(ciphertext));
        assert_eq!(sealed.tag, hex(tag));
        assert_eq!(open(enc, &key, aad, sealed).unwrap().as_slice(), plaintext);
    }

    /// RFC 7518 appendix B.1.
    #[test]
    fn aes_128_cbc_hmac_sha_256() {
        appendix_b(
            ContentEncryption::A128CbcHs256,
            concat!(
                "c80edfa32ddf39d5ef00c0b468834279a2e46a1b8049f792f76bfe54b903a9c9",
                "a94ac9b47ad2655c5f10f9aef71427e2fc6f9b3f399a221489f16362c7032336",
                "09d45ac69864e3321cf82935ac4096c86e133314c54019e8ca7980dfa4b9cf1b",
                "384c486f3a54c51078158ee5d79de59fbd34d848b3d69550a67646344427ade5",
                "4b8851ffb598f7f80074b9473c82e2db",
            ),
            "652c3fa36b0a7c5b3219fab3a30bc1c4",
        );
    }

    /// RFC 7518 appendix B.3.
    #[test]
    fn aes_256_cbc_hmac_sha_512() {
        appendix_b(
            ContentEncryption::A256CbcHs512,
            concat!(
                "4affaaadb78c31c5da4b1b590d10ffbd3dd8d5d302423526912da037ecbcc7bd",
                "822c301dd67c373bccb584ad3e9279c2e6d12a1374b77f077553df829410446b",
                "36ebd97066296ae6427ea75c2e0846a11a09ccf5370dc80bfecbad28c73f09b3",
                "a3b75e662a2594410ae496b2e2e6609e31e6e02cc837f053d21f37ff4f51950b",
                "be2638d09dd7a4930930806d0703b1f6",
            ),
            "4dd3b4c088a7f45c216839645b2012bf2e6269a8c56a816dbc1b267761955bc5",
        );
    }

    /// RFC 7516 appendices A.2, A.3 and B: the same key and plaintext, with a header for `RSA1_5` and one for A128KW.
    #[test]
    fn the_content_of_rfc_7516_a2_and_a3() {
        let key = [
            4, 211, 31, 197, 84, 157, 252, 254, 11, 100, 157, 250, 63, 170, 106, 206, 107, 124, 212, 45, 111, 107, 9,
            219, 200, 177, 0, 240, 143, 156, 44, 207,
        ];
        for token in [vectors::RFC7516_A2_TOKEN, vectors::RFC7516_A3_TOKEN] {
            let parts: Vec<&str> = token.split('.').collect();
            let part = |at: usize| decode(parts[at]).unwrap();
            let sealed = Sealed { iv: part(2), ciphertext: part(3), tag: part(4) };
            let plaintext = open(ContentEncryption::A128CbcHs256, &key, parts[0].as_bytes(), sealed).unwrap();
            assert_eq!(plaintext.as_slice(), b"Live long and prosper.");
        }
    }

    #[test]
    fn any_other_key_iv_aad_ciphertext_or_tag_is_refused() {
        for enc in ContentEncryption::ALL {
            let key = random_key(enc);
            for length in [0, 1, 15, 16, 17, 1000] {
                let plaintext = vec![7; length];
                let fresh = || seal_with(enc, &key, vec![1; iv_len(enc)], b"aad", &plaintext).unwrap();
                assert_eq!(*open(enc, &key, b"aad", fresh()).unwrap(), plaintext, "{enc}");
                assert!(open(enc, &key, b"aae", fresh()).is_none());
                assert!(open(enc, &random_key(enc), b"aad", fresh()).is_none());
                assert!(open(enc, &key[1..], b"aad", fresh()).is_none());
                for at in 0..fresh().tag.len() {
                    let mut sealed = fresh();
                    sealed.tag[at] ^= 1;
                    assert!(open(enc, &key, b"aad", sealed).is_none(), "{enc}: {at}");
                    let mut sealed = fresh();
                    sealed.tag.truncate(at);
                    assert!(open(enc, &key, b"aad", sealed).is_none(), "{enc}: {at}");
                }
                for at in 0..fresh().ciphertext.len().min(40) {
                    let mut sealed = fresh();
                    sealed.ciphertext[at] ^= 1;
                    assert!(open(enc, &key, b"aad", sealed).is_none(), "{enc}: {at}");
                    let mut sealed = fresh();
                    sealed.ciphertext.truncate(at);
                    assert!(open(enc, &key, b"aad", sealed).is_none(), "{enc}: {at}");
                }
                for changed in [vec![2; iv_len(enc)], vec![1; iv_len(enc) + 1], vec![1; iv_len(enc) - 1], vec![]] {
                    let sealed = Sealed { iv: changed, ..fresh() };
                    assert!(open(enc, &key, b"aad", sealed).is_none(), "{enc}");
                }
                assert!(open(enc, &key, b"aad", Sealed { tag: [fresh().tag, vec![0]].concat(), ..fresh() }).is_none());
            }
        }
    }

    fn iv_len(enc: ContentEncryption) -> usize {
        seal(enc, &random_key(enc), b"", b"").unwrap().iv.len()
    }

    #[test]
    fn no_iv_is_used_twice() {
        let key = random_key(ContentEncryption::A256Gcm);
        let iv = || seal(ContentEncryption::A256Gcm, &key, b"", b"").unwrap().iv;
        assert_ne!(iv(), iv());
    }
}
