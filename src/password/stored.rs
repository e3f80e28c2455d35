//! A password hash as it is kept: the PHC string format of argon2.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};

use super::PasswordError;
use crate::secret::{Secret, random};

/// What a stored hash may ask of us: a database that was tampered with must not stop the server.
const MAX_STORED_MEMORY_KIB: u32 = 1024 * 1024;
const MAX_STORED_ITERATIONS: u32 = 64;
const MAX_STORED_PARALLELISM: u32 = 16;
/// Memory in KiB times iterations: some two seconds of a core.
const MAX_STORED_WORK: u64 = 4 * 1024 * 1024;

/// A PHC string, taken apart.
pub(super) struct Stored {
    algorithm: Algorithm,
    version: Version,
    pub params: Params,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Stored {
    /// A new salt, and in place of the hash something that no password leads to.
    pub fn nobodys(params: &Params) -> Self {
        Self {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            params: params.clone(),
            salt: random::<16>().to_vec(),
            hash: random::<{ Params::DEFAULT_OUTPUT_LEN }>().to_vec(),
        }
    }

    /// The error is for the log, and has nothing of the hash in it.
    pub fn read(phc: &str) -> Result<Self, &'static str> {
        let phc = PasswordHash::new(phc).map_err(|_| "it is not a PHC string")?;
        let algorithm = phc.algorithm.as_str().parse().map_err(|_| "its algorithm is not argon2")?;
        // The format left the version out while there was but one.
        let version = phc.version.unwrap_or(Version::V0x10.into()).try_into().map_err(|_| "its version is unknown")?;
        let params = Params::try_from(&phc).map_err(|_| "its parameters are none of argon2")?;
        let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
        if params.m_cost() > MAX_STORED_MEMORY_KIB
            || params.t_cost() > MAX_STORED_ITERATIONS
            || params.p_cost() > MAX_STORED_PARALLELISM
            || work > MAX_STORED_WORK
        {
            return Err("its parameters ask for too much");
        }
        let salt = phc
            .salt
            .filter(|salt| salt.len() >= argon2::MIN_SALT_LEN)
            .ok_or("it has no salt, or too short a one")?
            .to_vec();
        let hash = phc.hash.ok_or("it has no hash")?.as_bytes().to_vec();
        Ok(Self { algorithm, version, params, salt, hash })
    }

    pub fn is_current(&self, params: &Params) -> bool {
        self.algorithm == Algorithm::Argon2id && self.version == Version::V0x13 && self.params == *params
    }

    pub fn hash(&self) -> &[u8] {
        &self.hash
    }

    pub fn with_hash(self, hash: Vec<u8>) -> Self {
        Self { hash, ..self }
    }

    /// Needs as much memory as `params` say; takes as long as they say.
    pub fn compute(&self, password: &Secret, memory: &mut [Block]) -> Result<Vec<u8>, PasswordError> {
        let mut hash = vec![0; self.hash.len()];
        Argon2::new(self.algorithm, self.version, self.params.clone())
            .hash_password_into_with_memory(password.expose().as_bytes(), &self.salt, &mut hash, memory)
            .map_err(|_| PasswordError::Failed)?;
        Ok(hash)
    }

    pub fn phc(&self) -> Result<String, PasswordError> {
        let failed = |_| PasswordError::Failed;
        Ok(PasswordHash {
            algorithm: self.algorithm.ident(),
            version: Some(self.version.into()),
            params: ParamsString::try_from(&self.params).map_err(|_| PasswordError::Failed)?,
            salt: Some(Salt::new(&self.salt).map_err(failed)?),
            hash: Some(Output::new(&self.hash).map_err(failed)?),
        }
        .to_string())
    }
}
