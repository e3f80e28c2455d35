"""A private key that no server has, for the tests that hand one in (RFC 7517)."""

RSA_PRIVATE = {
    "kty": "RSA",
    "n": (
        "wJTZutEIPzIfPD3-3zmhXQDNe7gTl8LROVhsOlB5xZS01h_-D49n8CWkxAf1dsij2Yhjyu5bpNoOWsLO5Y54WjInB4MzMghnmT9m"
        "4VeqmQgUSSDermzEEt31TMEt7Xj6UctLnTVoEdtXJ6CS_y0xpnV8nKM46K4h0my-cv9Rc3hio1oYFO8eHJXHDriNf1kimIBaxj3s"
        "EgKiqRBNVc-jXhQWQa-ZYidcZW1zJmP3KOiLh94gi1bd8J7DZ2QUnGRtDmsv8mowqalUs3N_QUzhwTvGiBFM1SsKeeGRb84L2D7H"
        "9TB3wUF9nIJSNGPFdGwa4fHLMfLeek8VTeW60ot2_w"
    ),
    "e": "AQAB",
    "d": (
        "WJhBwBlo71W6G-czaPMkwlnbrjZlQRRdV0HP7FXYZ2Z9eOJX6UWiXc6biZlVudMc2bbOne1g2Kp-Hw_uyZls0aWv4dtgQnyuWEhc"
        "Jn_Dmkomtuu5tcmQvFNDBY_7dnuIwPdC7mxC17At3KuY5G6goED9VjwasqRlJ95iERpXGMS0Vs2UndmPS2P_6BPzzTqedg6rdDPS"
        "5IWkRsXvV-dOSjcd0xdmsVBpxrQPTNvCtAkUu4gQk06_gemJRq1UP4QxARwmeVaXKq9CE1tbf0YSu51Qvt_VSxrIzDMWiRLp5KPJ"
        "O5f3BsQqHeDTDVR4Qh04t0ICMg21-20WviSUwNdHUQ"
    ),
    "p": (
        "9cO7o-NTIjRUgp-gdlpqMr1eeA0laW2C2XdB59_a-LpRwwRKvpIgYq5ehAAObtYp_mSXilMvqHd1lglnesAT4FmW0XxXTWu4Ylrn"
        "EXp2Uex720d2nXs8UxCKBuUXClbWLQDbFOyuPrBopfK86ls9wS-g_6RIONNzorA6eCV1Ho8"
    ),
    "q": (
        "yJoYXUgHQiH1GbCDrUkCFA08nGw3N6AveJgiS4wr1MFFOgP2iXiXDw1Q1TxgVAzMEiyUUSIcqiN3ARoE-3dYHW3SdTIu67SF7qA3"
        "srst6tpqwmvzQfMENCynQukFU8u3XE8HWBVA_58Q5eNP5x71mQxYD0GJcmcvy8uMJnYMWJE"
    ),
    "dp": (
        "UavpKG58Cwre5sXLWmlzj0cVJMohm6aT7FbQZREkQLISR7-eYzRGZOTTbgRix3yOWgbtwT8hwFdqkSCw7b71HAJJt3YdwRHCJZVV"
        "4p4SwejXxCg8h9sTUftWEzKAdKQk6rG1HIAG67hOHo_LLgqCPDfqxem_Qnsqm277D0BLaos"
    ),
    "dq": (
        "oV1DaBX-sLX8IXQaGBR4dYTIUtPB_x790LYgMEFLKNNnSmnRsXetm9AMS9tLaZD5v0zY6gLUqA_rNJmnlFjGKrYi61842yXV7sQ2"
        "ybFEGH0mD8siXNSNdyLMUUh8npFqp_hyYeqG5Jkh0KrvpW0EBt8lHvCLDdnvWrIbxPyEpeE"
    ),
    "qi": (
        "7VeAfoxmQbZ0TWKbRoC4U13H6nftkxqZuPM0A42Y6jBwUzUDwlHAzNaNvbT3XLq7ThTiHoywe1CrRf8pBxvt_8SfuMfrUhDBYrkq"
        "4R0cmDbJDMXHEPI1AHwvCyNZJ1M_6MIUCbsIT9sfF8u0SyRUaPxGQwJxGKv2KmleyEvTG9E"
    ),
}
