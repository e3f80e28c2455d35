//! Statements and rows, each typed for its own database.

/// Whether a statement changes anything: in our dialect a reading one begins with SELECT.
pub const fn writes(text: &str) -> bool {
    let text = text.as_bytes();
    !(text.len() > 6 && text[0] == b'S' && text[1] == b'E' && text[2] == b'L')
}

/// Runs one statement on either database: `sql!(store_or_tx, method, "text with $1", arguments…)`.
///
/// Methods: `execute` (rows changed), `fetch_optional`, `fetch_one`, `fetch_all` (rows), `scalar`, `scalar_optional`
/// (the first column). Each arm is typed for its own database; there is no boxing and no common denominator.
macro_rules! sql {
    (@run $connection:ident, execute, $database:ty, $text:expr, $($argument:expr),*) => {
        sqlx::query::<$database>($text)$(.bind($argument))*.execute($connection).await.map(|done| done.rows_affected())
    };
    (@run $connection:ident, scalar, $database:ty, $text:expr, $($argument:expr),*) => {
        sqlx::query_scalar::<$database, _>($text)$(.bind($argument))*.fetch_one($connection).await
    };
    (@run $connection:ident, scalar_optional, $database:ty, $text:expr, $($argument:expr),*) => {
        sqlx::query_scalar::<$database, _>($text)$(.bind($argument))*.fetch_optional($connection).await
    };
    (@run $connection:ident, $method:ident, $database:ty, $text:expr, $($argument:expr),*) => {
        sqlx::query_as::<$database, _>($text)$(.bind($argument))*.$method($connection).await
    };
    ($on:expr, $method:ident, $text:literal $(, $argument:expr)* $(,)?) => {
        match $on.place(const { $crate::store::db::writes($text) }).await {
            Ok(mut place) => match place.connection() {
                $crate::store::db::Connection::Postgres(connection) => {
                    $crate::store::db::sql!(@run connection, $method, sqlx::Postgres, $text, $($argument),*)
                }
                $crate::store::db::Connection::Sqlite(connection) => {
                    $crate::store::db::sql!(@run connection, $method, sqlx::Sqlite, $text, $($argument),*)
                }
            }
            .map_err($crate::store::db::Error::from),
            Err(error) => Err(error),
        }
    };
}
pub(crate) use sql;

/// Declares a row: a struct whose fields are columns, read from either database.
macro_rules! row {
    ($(#[$doc:meta])* pub struct $name:ident { $($(#[$field_doc:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
        $crate::store::db::row!(@read $name, sqlx::postgres::PgRow, $($field),*);
        $crate::store::db::row!(@read $name, sqlx::sqlite::SqliteRow, $($field),*);
    };
    (@read $name:ident, $row:ty, $($field:ident),*) => {
        impl<'r> sqlx::FromRow<'r, $row> for $name {
            fn from_row(row: &'r $row) -> sqlx::Result<Self> {
                use $crate::store::db::Placed as _;
                Self::at(row, &Self::places(row)?)
            }
        }

        impl $crate::store::db::Placed<$row> for $name {
            type Places = [usize; [$(stringify!($field)),*].len()];

            fn places(row: &$row) -> sqlx::Result<Self::Places> {
                Ok([$(sqlx::ColumnIndex::index(&stringify!($field), row)?),*])
            }

            fn at(row: &$row, places: &Self::Places) -> sqlx::Result<Self> {
                use sqlx::Row as _;
                let [$($field),*] = *places;
                Ok(Self { $($field: row.try_get($field)?,)* })
            }
        }
    };
}
pub(crate) use row;

/// A row whose columns' places are looked up once for all rows of an answer: by name, which takes as long as reading them.
pub trait Placed<R>: Sized {
    type Places;

    fn places(row: &R) -> sqlx::Result<Self::Places>;

    fn at(row: &R, places: &Self::Places) -> sqlx::Result<Self>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_statement_is_told_from_a_writing_one() {
        assert!(!writes("SELECT 1 FROM clients"));
        assert!(writes("UPDATE grants SET revoked_at = $1"));
        assert!(writes("INSERT INTO keys SELECT 1"));
    }
}
