//! How values of ours are columns: a plain type in, the same out.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{Decode, Encode, Type};

use super::Result;
use crate::clock::Timestamp;
use crate::id::{ClientId, GrantId, SessionId, Subject, TokenId};
use crate::oauth::scope::Scope;

/// A value kept as JSON in a TEXT column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: Serialize> Json<T> {
    /// # Panics
    /// Where the value is not one that JSON can hold, which ours never are.
    pub fn text(&self) -> String {
        serde_json::to_string(&self.0).expect("what we keep as JSON are plain structs and lists")
    }
}

impl<D: sqlx::Database, T> Type<D> for Json<T>
where
    String: Type<D>,
{
    fn type_info() -> D::TypeInfo {
        String::type_info()
    }

    fn compatible(given: &D::TypeInfo) -> bool {
        String::compatible(given)
    }
}

impl<'q, D: sqlx::Database, T: Serialize> Encode<'q, D> for Json<T>
where
    String: Encode<'q, D>,
{
    fn encode_by_ref(
        &self,
        buffer: &mut <D as sqlx::Database>::ArgumentBuffer,
    ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
        self.text().encode(buffer)
    }
}

impl<'r, D: sqlx::Database, T: DeserializeOwned> Decode<'r, D> for Json<T>
where
    String: Decode<'r, D>,
{
    fn decode(value: <D as sqlx::Database>::ValueRef<'r>) -> Result<Self, sqlx::error::BoxDynError> {
        Ok(Self(serde_json::from_str(&String::decode(value)?)?))
    }
}

/// A type of ours that is a column of a plain type: how it goes in and how it comes out.
macro_rules! column {
    ($type:ty as $plain:ty, $into:expr, $from:expr) => {
        impl<D: sqlx::Database> Type<D> for $type
        where
            $plain: Type<D>,
        {
            fn type_info() -> D::TypeInfo {
                <$plain>::type_info()
            }

            fn compatible(given: &D::TypeInfo) -> bool {
                <$plain>::compatible(given)
            }
        }

        impl<'q, D: sqlx::Database> Encode<'q, D> for $type
        where
            $plain: Encode<'q, D>,
        {
            fn encode_by_ref(
                &self,
                buffer: &mut <D as sqlx::Database>::ArgumentBuffer,
            ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
                let plain: $plain = ($into)(self);
                plain.encode(buffer)
            }
        }

        impl<'r, D: sqlx::Database> Decode<'r, D> for $type
        where
            $plain: Decode<'r, D>,
        {
            fn decode(value: <D as sqlx::Database>::ValueRef<'r>) -> Result<Self, sqlx::error::BoxDynError> {
                ($from)(<$plain>::decode(value)?)
            }
        }
    };
}

type Decoded<T> = Result<T, sqlx::error::BoxDynError>;

column!(Timestamp as i64, |at: &Timestamp| at.millis(), |millis| -> Decoded<Timestamp> {
    Ok(Timestamp::from_millis(millis))
});
column!(ClientId as String, |id: &ClientId| id.as_str().to_owned(), |id: String| -> Decoded<ClientId> {
    Ok(ClientId::new(id))
});
column!(Subject as String, |id: &Subject| id.as_str().to_owned(), |id: String| -> Decoded<Subject> {
    Ok(Subject::new(id))
});
column!(GrantId as String, |id: &GrantId| id.to_string(), |id: String| -> Decoded<GrantId> { Ok(id.parse()?) });
column!(SessionId as String, |id: &SessionId| id.to_string(), |id: String| -> Decoded<SessionId> { Ok(id.parse()?) });
column!(TokenId as String, |id: &TokenId| id.to_string(), |id: String| -> Decoded<TokenId> { Ok(id.parse()?) });
column!(Scope as String, |scope: &Scope| scope.to_string(), |text: String| -> Decoded<Scope> {
    Scope::parse(&text).map_err(|error| error.to_string().into())
});
