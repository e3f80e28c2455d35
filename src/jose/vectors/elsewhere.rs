//! Tokens that another implementation (jwcrypto 1.6.1) made with algorithms that no specification prints an example of,
//! each of the text "Made elsewhere."

/// To the key of RFC 7516 appendix A.1.
pub const RSA_OAEP_256: &str = concat!(
    "eyJhbGciOiJSU0EtT0FFUC0yNTYiLCJlbmMiOiJBMjU2Q0JDLUhTNTEyIn0.",
    "ci2p9OgwvSNe5lK8b-uZk2dtjfB6E-fVSRViKn9VxrHugNZKB6rJxRmWk2Nx8FrDM1mxscHpxnZel9_zm3o3fVd9EtgypY1mqQIp",
    "NYdyBPWw2bQhOf75P7befXLeblKR3rK1qtwuGL_NM_BOnDJCMtXMxkxYFhqDtOENePuVqK4bBORKMniY1lA-MYR9d7G-eixYtdXb",
    "UVbH6x8Kvq7WgxLwEpNYQhePf8BOdFUXuvUsCzisAoJz-rt9a_Fv90CLg9auNeJQQZybtdb2nK5eWInLyS_WNxCTEAHf9ZOThKnV",
    "vWPyJkBlels0W2D5h124jup_J8S-sFQl87M_isAU0Q.",
    "fYviauA06UyvvzfmxrRiaQ.",
    "qM_UruktPWEg74oSx1HvJg.",
    "GVrEs3xgCGN2lGHkHQhYocaSzW7SEd07ajVOA5mPBRM",
);

/// To the key of RFC 7520 section 5.4.
pub const P384_A256KW: &str = concat!(
    "eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImVuYyI6IkEyNTZHQ00iLCJlcGsiOnsiY3J2IjoiUC0zODQiLCJrdHkiOiJFQyIsIngi",
    "OiIzOG5IclYweVZBNHM5Vk43S0c3OUVsOUZfbjN4bTdwOUtwS2Q2OWxFejZuWkZpUWlGa2NnYTZpRUdMQTRYa2hrIiwieSI6IkxK",
    "SjlCV1NQVFpwcFVaSTZUX1d0RG8tUWt1SWZfMTRmbHVfOVlydlgyVmJfNkNHX2lnNUpZRzhFbE9XRmdNdEEifX0.",
    "a4CfVQAmdmWh9eFEupfhMUF91Lwff62aFEnM1NfR_8s0lFcCEuQL0w.",
    "xE6sx8S2Ps2Pn6wr.",
    "SAaQAXS-p5JcyWTPschJ.",
    "gYMsOr6-tEPLGPJv1klp2Q",
);

/// To the key of RFC 7515 appendix A.4, with names of both parties.
pub const P521_DIRECT: &str = concat!(
    "eyJhbGciOiJFQ0RILUVTIiwiYXB1IjoiUVd4cFkyVSIsImFwdiI6IlFtOWkiLCJlbmMiOiJBMjU2Q0JDLUhTNTEyIiwiZXBrIjp7",
    "ImNydiI6IlAtNTIxIiwia3R5IjoiRUMiLCJ4IjoiQUVVNGpwZFI2eTQ5ZU5wSFkwUmV6R1YwQ0tkRkZRaVhjR2dkVDFTOEVJZjBN",
    "RGx1RDJjekRzdC10N3FUZEJzUTBfaFJyQ3hlQ2lIMU5QckdQZVRtRDh4byIsInkiOiJBWDg1Yzd5SnpuN1VVdG1PMDFhQU9neDdX",
    "cm1XbTFJZ1BqOUpKczhHZE1RSTY1TllRcnRNUHRPaW5HTGlmQ0EzTG1qckk1eEI3VXJwOTdoV3JtYnQ4NG84In19.",
    ".",
    "R1KflO3VA0qDrC6hJGZIIQ.",
    "Nh6Z8MunNeTz5ctnY5X0tw.",
    "cGKIfpNC9UINBqsLLjTcYKTDJ0-VKDZthEGIvMsM8_0",
);

/// To the key of RFC 8037 appendix A.6.
pub const X25519_A128KW: &str = concat!(
    "eyJhbGciOiJFQ0RILUVTK0ExMjhLVyIsImVuYyI6IkExMjhDQkMtSFMyNTYiLCJlcGsiOnsiY3J2IjoiWDI1NTE5Iiwia3R5Ijoi",
    "T0tQIiwieCI6IjFtaTJfQ3JIc1lsSEhNeUFNNFhMbW1qSmdOQmtkcTNtMnoxYXFiNUU3Q00ifX0.",
    "d2w4PGEu_DfiOpofJYVfIqY2c_5DQkjZX84CM8osZHDCZeM3_vtC7Q.",
    "adkt9HjXe4nXBgXjvC6PLA.",
    "lOhGfoVtNnfgwAd7SbHr8g.",
    "EpRxlF6r3SuVzV5TKQ-8hA",
);
