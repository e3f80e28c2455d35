//! The OAuth error object: one enum of codes, each with its status (RFC 6749 sections 4.1.2.1 and 5.2).

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// Every code that this server answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    UnauthorizedClient,
    UnsupportedGrantType,
    UnsupportedResponseType,
    UnsupportedResponseMode,
    InvalidScope,
    InvalidTarget,
    AccessDenied,
    LoginRequired,
    ConsentRequired,
    InteractionRequired,
    AccountSelectionRequired,
    UnmetAuthenticationRequirements,
    RequestNotSupported,
    RequestUriNotSupported,
    InvalidRequestObject,
    InvalidRequestUri,
    RegistrationNotSupported,
    InvalidToken,
    InsufficientScope,
    InvalidRedirectUri,
    InvalidClientMetadata,
    InvalidSoftwareStatement,
    UnapprovedSoftwareStatement,
    RequestForbidden,
    /// Hydra's, of its trusted issuers.
    MissingRequiredParameter,
    /// What is asked about has expired (Hydra: 401).
    RequestUnauthorized,
    NotFound,
    Conflict,
    /// A request that was answered before (Hydra: 410).
    AlreadyHandled,
    TooManyRequests,
    ServerError,
    TemporarilyUnavailable,
}

impl ErrorCode {
    /// The `error` value, as the specifications and Hydra spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::UnsupportedResponseMode => "unsupported_response_mode",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::InteractionRequired => "interaction_required",
            Self::AccountSelectionRequired => "account_selection_required",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::InvalidRequestObject => "invalid_request_object",
            Self::InvalidRequestUri => "invalid_request_uri",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::InvalidSoftwareStatement => "invalid_software_statement",
            Self::UnapprovedSoftwareStatement => "unapproved_software_statement",
            Self::RequestForbidden => "request_forbidden",
            Self::MissingRequiredParameter => "missing_required_parameter",
            Self::RequestUnauthorized => "request_unauthorized",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::AlreadyHandled => "request_already_handled",
            Self::TooManyRequests => "too_many_requests",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }

    /// RFC 6749 section 5.2: 400, but 401 where client authentication failed.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidClient | Self::InvalidToken | Self::RequestUnauthorized => 401,
            Self::AccessDenied | Self::InsufficientScope | Self::RequestForbidden => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::AlreadyHandled => 410,
            Self::TooManyRequests => 429,
            Self::ServerError => 500,
            Self::TemporarilyUnavailable => 503,
            _ => 400,
        }
    }

    /// `Err(InvalidGrant.because("the code has expired"))`
    pub fn because(self, description: impl Into<Cow<'static, str>>) -> Error {
        Error { code: self, description: description.into(), status: self.status(), retry_after: None, source: None }
    }
}

/// An OAuth error: the client may read the description, only the log the source.
#[derive(Debug)]
pub struct Error {
    pub code: ErrorCode,
    /// Goes to the client: never holds input, never a quote or a backslash (RFC 6749 section 5.2).
    pub description: Cow<'static, str>,
    /// The code's status unless a rule of HTTP asks for another (415, 429).
    pub status: u16,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    /// Goes to the log.
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    #[must_use]
    pub const fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    #[must_use]
    pub const fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The store, or something else that the server needs, does not answer. Never "inactive", never "ok".
    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        ErrorCode::TemporarilyUnavailable
            .because("The server can not reach its database at the moment. Please try again.")
            .retry_after(2)
            .caused_by(source)
    }

    /// A fault of ours: the client learns nothing but that.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        ErrorCode::ServerError.because("The server met an unexpected condition.").caused_by(source)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.description)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
