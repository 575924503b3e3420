# The three binaries of gatelog in one image; what to run is the container's command.

FROM rust:1.95-slim-bookworm AS builder
# For librdkafka (C and C++, configured by a shell script) and OpenSSL (configured by perl).
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ make perl pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin gatelog --bin gatelog-gateway --bin gatelog-consumer \
    && mkdir /out \
    && cp target/release/gatelog target/release/gatelog-gateway target/release/gatelog-consumer /out/

FROM debian:bookworm-slim
# curl is for the health checks, the certificates are for Kafka over TLS.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin gatelog \
    && install --directory --owner=gatelog --group=gatelog /var/lib/gatelog
COPY --from=builder /out/ /usr/local/bin/
USER gatelog
WORKDIR /var/lib/gatelog
CMD ["gatelog", "--help"]
