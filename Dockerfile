# syntax=docker/dockerfile:1
# Hydrant as an image: one program, its configuration, and the certificates of the public authorities.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
# aws-lc and SQLite are C; the base image has the compiler that they need.
COPY Cargo.toml Cargo.lock ./
COPY migrations migrations
COPY config config
COPY src src
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --bin hydrant \
    && install -D target/release/hydrant /out/usr/local/bin/hydrant \
    && install -D -m 0644 config/hydrant.yml /out/etc/hydrant/hydrant.yml

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o 65532 -g 65532 -m 0700 /var/lib/hydrant
COPY --from=build /out/ /
# The embedded database, where no PostgreSQL is configured, is made in the working directory.
WORKDIR /var/lib/hydrant
VOLUME /var/lib/hydrant
USER 65532:65532
EXPOSE 4444
# 4445, the admin API, is not listed: who publishes it decides who may reach it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["hydrant", "health", "-c", "/etc/hydrant/hydrant.yml"]
ENTRYPOINT ["hydrant"]
CMD ["serve", "-c", "/etc/hydrant/hydrant.yml"]
