# What a developer types; `just --list` shows it.

# All tests of the workspace.
test:
    cargo test --workspace

# Formatting, lints and documentation, as strict as CI.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Benchmarks.
bench:
    cargo bench

# The tables of docs/PERFORMANCE.md; `just performance wire` prints one of them.
performance *PARTS:
    cargo bench --bench figures -- {{PARTS}}

# That the fuzz targets compile; `fuzz/README.md` says how to run them.
fuzz-check:
    cargo check --manifest-path fuzz/Cargo.toml

# Fuzzes one of the targets with libFuzzer, without sanitizers, which the stable compiler does not have.
fuzz TARGET SECONDS="300":
    mkdir -p fuzz/corpus/{{TARGET}} fuzz/artifacts
    RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
      -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
      -Cllvm-args=-sanitizer-coverage-trace-compares" \
      cargo run --manifest-path fuzz/Cargo.toml --target "$(rustc -vV | sed -n 's/^host: //p')" --bin {{TARGET}} \
      -- fuzz/corpus/{{TARGET}} -artifact_prefix=fuzz/artifacts/ -max_total_time={{SECONDS}}

# Recorded answers of Oathkeeper; `just conformance errors-` asks only rows whose name contains that.
conformance ONLY="":
    cargo test --test conformance -- '{{ONLY}}'

# Installs the gateways into .gateways/ and the system, and tests the examples behind them; an OpenID provider, too.
gateways:
    bash .ci/gateways
    OKGATE_REQUIRE_GATEWAYS=1 cargo test --test gateways --test oidc

# Everything that CI runs.
ci:
    bash .ci/run

# Licences and sources of the dependencies; needs cargo-deny.
deny:
    cargo deny check licenses bans sources
