//! The seal: values that travel through browsers and clients and come back unread and unchanged.
//!
//! A sealed string is a prefix, then base64url of version(1) · key id(4) · nonce(12) · AES-256-GCM-SIV ciphertext and
//! tag (RFC 8452). The kind is the associated data, so that one kind never opens as another. Whatever is wrong with a
//! string, the answer is the same: not ours.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::secret::{Secret, random, sha256};

const VERSION: u8 = 1;
const HEADER: usize = 1 + 4 + NONCE_LEN;

/// Nothing longer is looked at; the largest that we make is a challenge of 4 KiB.
pub const LONGEST: usize = 8 * 1024;

/// What a sealed string is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    AccessToken = 1,
    RefreshToken = 2,
    Code = 3,
    LoginChallenge = 4,
    LoginVerifier = 5,
    ConsentChallenge = 6,
    ConsentVerifier = 7,
    LogoutChallenge = 8,
    Session = 9,
    Browser = 10,
    /// Where a page of a list goes on.
    Page = 11,
    LogoutVerifier = 12,
    /// A login that leads to the account page.
    AccountLogin = 13,
    /// In a form of the account page: the browser and the session that it was shown to.
    AccountForm = 14,
    /// What the account page has done, to be told once the browser is back.
    AccountNotice = 15,
}

impl Kind {
    /// Tells people, logs and secret scanners what they are looking at.
    const fn prefix(self) -> &'static str {
        match self {
            Self::AccessToken => "hya_",
            Self::RefreshToken => "hyr_",
            Self::Code => "hyc_",
            _ => "",
        }
    }
}

/// Names the key that sealed a string, so that any of several opens at the first try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 4]);

/// One sealing key.
pub struct SealingKey {
    id: KeyId,
    aead: LessSafeKey,
    nonces: aws_lc_rs::hmac::Key,
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({:?})", self.id)
    }
}

impl SealingKey {
    /// The id is a digest of the key under a label of its own, so that it tells nothing about the key.
    pub fn new(key: &[u8; 32]) -> Self {
        let labelled: Zeroizing<Vec<u8>> = Zeroizing::new([b"hydrant sealing key id".as_slice(), key].concat());
        let digest = sha256(&labelled);
        let nonces: Zeroizing<Vec<u8>> = Zeroizing::new([b"hydrant sealing nonces".as_slice(), key].concat());
        Self {
            id: KeyId([digest[0], digest[1], digest[2], digest[3]]),
            aead: aead(key),
            nonces: aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &sha256(&nonces)),
        }
    }

    fn seal(&self, kind: Kind, nonce: [u8; NONCE_LEN], mut payload: Vec<u8>) -> String {
        let mut sealed = Vec::with_capacity(HEADER + payload.len() + 16);
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.id.0);
        sealed.extend_from_slice(&nonce);
        self.aead
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from([kind as u8]), &mut payload)
            .expect("a payload of a few kilobytes is within the cipher's bounds");
        sealed.append(&mut payload);
        let mut text = String::with_capacity(4 + sealed.len().div_ceil(3) * 4);
        text.push_str(kind.prefix());
        URL_SAFE_NO_PAD.encode_string(&sealed, &mut text);
        text
    }
}

fn aead(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, key).expect("32 bytes are a key of AES-256"))
}

/// The sealing keys in force: the first seals, all of them open.
#[derive(Debug)]
pub struct Sealer {
    keys: Vec<SealingKey>,
}

impl Sealer {
    /// # Panics
    /// Without a key.
    pub fn new(keys: Vec<SealingKey>) -> Self {
        assert!(!keys.is_empty(), "a sealer needs a key");
        Self { keys }
    }

    pub fn seal<T: Serialize>(&self, kind: Kind, value: &T) -> String {
        self.keys[0].seal(kind, random(), encode(value))
    }

    /// The same value gives the same string for as long as the key is in force. GCM-SIV allows it: a repeated nonce
    /// tells only that two messages are the same (RFC 8452 section 1), which is the purpose here.
    pub fn seal_same<T: Serialize>(&self, kind: Kind, value: &T) -> String {
        let key = &self.keys[0];
        let payload = encode(value);
        let mut context = aws_lc_rs::hmac::Context::with_key(&key.nonces);
        context.update(&[kind as u8]);
        context.update(&payload);
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&context.sign().as_ref()[..NONCE_LEN]);
        key.seal(kind, nonce, payload)
    }

    /// The value, if we sealed it and as this kind.
    pub fn open<T: DeserializeOwned>(&self, kind: Kind, text: &str) -> Option<T> {
        let mut bytes = decode(kind, text)?;
        let key = self.keys.iter().find(|key| key.id.0 == bytes[1..5])?;
        let nonce = Nonce::try_assume_unique_for_key(&bytes[5..HEADER]).ok()?;
        let plain = key.aead.open_in_place(nonce, Aad::from([kind as u8]), &mut bytes[HEADER..]).ok()?;
        match postcard::take_from_bytes(plain) {
            Ok((value, [])) => Some(value),
            _ => None,
        }
    }

    /// Whether a string has the form of this kind but names a key that is not here: another replica may have made it
    /// with a key that this one has not read yet.
    pub fn is_foreign(&self, kind: Kind, text: &str) -> bool {
        decode(kind, text).is_some_and(|bytes| !self.keys.iter().any(|key| key.id.0 == bytes[1..5]))
    }
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_allocvec(value).expect("the payloads are plain structs, which postcard always encodes")
}

fn decode(kind: Kind, text: &str) -> Option<Vec<u8>> {
    let body = text.strip_prefix(kind.prefix()).filter(|_| text.len() <= LONGEST)?;
    let bytes = URL_SAFE_NO_PAD.decode(body).ok()?;
    (bytes.len() > HEADER && bytes[0] == VERSION).then_some(bytes)
}

/// Seals what rests in the database (private keys) under the operator's `secrets.system`.
pub struct SystemSeal {
    keys: Vec<Arc<LessSafeKey>>,
}

impl fmt::Debug for SystemSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SystemSeal({} secrets)", self.keys.len())
    }
}

impl SystemSeal {
    /// The first secret seals, all of them open.
    pub fn new(secrets: &[Secret]) -> Self {
        Self { keys: secrets.iter().map(|secret| Arc::new(aead(&derive(secret.expose().as_bytes())))).collect() }
    }

    /// # Panics
    /// Without a secret, which a checked configuration never lacks.
    pub fn seal(&self, row: &str, plain: &[u8]) -> String {
        let nonce = random();
        let mut sealed = plain.to_vec();
        self.keys[0]
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(row.as_bytes()), &mut sealed)
            .expect("a key is within the cipher's bounds");
        URL_SAFE_NO_PAD.encode([&[VERSION], nonce.as_slice(), &sealed].concat())
    }

    /// The same value under the first secret, if it is under another one. Fails where none of the secrets opens it.
    pub fn reseal(&self, row: &str, text: &str) -> Result<Option<String>, NotOpened> {
        let newest = Self { keys: self.keys[..1].to_vec() };
        if newest.open(row, text).is_some() {
            return Ok(None);
        }
        let plain = self.open(row, text).ok_or(NotOpened)?;
        Ok(Some(self.seal(row, &plain)))
    }

    /// What was sealed for this row; `None` under the wrong secrets or for another row.
    pub fn open(&self, row: &str, text: &str) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN).filter(|_| *version == VERSION)?;
        self.keys.iter().find_map(|key| {
            let mut buffer = Zeroizing::new(sealed.to_vec());
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let length = key.open_in_place(nonce, Aad::from(row.as_bytes()), &mut buffer).ok()?.len();
            buffer.truncate(length);
            Some(buffer)
        })
    }
}

/// None of the secrets that are given opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOpened;

struct Bytes32;

impl KeyType for Bytes32 {
    fn len(&self) -> usize {
        32
    }
}

/// HKDF (RFC 5869), because an operator's secret is text of any length.
fn derive(secret: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    Salt::new(HKDF_SHA256, b"hydrant secrets.system")
        .extract(secret)
        .expand(&[b"keys at rest"], Bytes32)
        .and_then(|okm| okm.fill(&mut key))
        .expect("32 bytes are within what HKDF gives");
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer() -> Sealer {
        Sealer::new(vec![SealingKey::new(&[7; 32])])
    }

    #[test]
    fn what_was_sealed_opens_and_only_as_its_kind() {
        let sealed = sealer().seal(Kind::Code, &("grant", 1_u32));
        assert!(sealed.starts_with("hyc_"));
        assert_eq!(sealer().open(Kind::Code, &sealed), Some(("grant".to_owned(), 1_u32)));
        let body = sealed.trim_start_matches("hyc_");
        assert_eq!(sealer().open::<(String, u32)>(Kind::AccessToken, &format!("hya_{body}")), None);
    }

    #[test]
    fn any_changed_character_is_refused() {
        let sealed = sealer().seal(Kind::RefreshToken, &42_u64);
        for position in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(bytes).expect("ASCII");
            assert_eq!(sealer().open::<u64>(Kind::RefreshToken, &forged), None, "{position}");
        }
        assert_eq!(sealer().open::<u64>(Kind::RefreshToken, &sealed[..sealed.len() - 1]), None);
        assert_eq!(sealer().open::<u64>(Kind::RefreshToken, &format!("{sealed}A")), None);
        assert_eq!(sealer().open::<u64>(Kind::RefreshToken, &"A".repeat(1 << 20)), None);
    }

    #[test]
    fn older_keys_open_and_a_foreign_key_is_told_from_garbage() {
        let sealed = sealer().seal(Kind::Code, &1_u8);
        let rotated = Sealer::new(vec![SealingKey::new(&[8; 32]), SealingKey::new(&[7; 32])]);
        assert_eq!(rotated.open(Kind::Code, &sealed), Some(1_u8));
        let other = Sealer::new(vec![SealingKey::new(&[9; 32])]);
        assert!(other.is_foreign(Kind::Code, &sealed));
        assert!(!other.is_foreign(Kind::Code, "hyc_garbage"));
    }

    #[test]
    fn the_same_value_can_give_the_same_string() {
        let sealer = sealer();
        assert_eq!(sealer.seal_same(Kind::RefreshToken, &5_u8), sealer.seal_same(Kind::RefreshToken, &5_u8));
        assert_ne!(sealer.seal_same(Kind::RefreshToken, &5_u8), sealer.seal_same(Kind::RefreshToken, &6_u8));
        assert_ne!(sealer.seal(Kind::RefreshToken, &5_u8), sealer.seal(Kind::RefreshToken, &5_u8));
    }

    #[test]
    fn what_rests_opens_under_any_of_the_secrets_and_only_for_its_row() {
        let old = SystemSeal::new(&[Secret::new("an old system secret")]);
        let sealed = old.seal("keys/1", b"private");
        let both = SystemSeal::new(&[Secret::new("a new system secret"), Secret::new("an old system secret")]);
        assert_eq!(both.open("keys/1", &sealed).as_deref(), Some(&b"private".to_vec()));
        assert!(both.open("keys/2", &sealed).is_none());
        let new = SystemSeal::new(&[Secret::new("a new system secret")]);
        assert!(new.open("keys/1", &sealed).is_none());
        assert_eq!((old.reseal("keys/1", &sealed), new.reseal("keys/1", &sealed)), (Ok(None), Err(NotOpened)));
        let again = both.reseal("keys/1", &sealed).unwrap().unwrap();
        assert_eq!(new.open("keys/1", &again).as_deref(), Some(&b"private".to_vec()));
    }
}
