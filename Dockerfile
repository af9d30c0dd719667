# The images of Millwright, one target each: operator, agent, cli.
#
#   docker build --target operator --tag millwright/operator .
#
# BINARIES says where the programs come from. "compiled" compiles them here. "prebuilt" takes them
# from a build context that holds the three programs and nothing else, for a machine that has
# compiled them already; hack/images.sh does that.
ARG BINARIES=compiled
ARG RUST_IMAGE=rust:1.95-bookworm

FROM ${RUST_IMAGE} AS compiled
WORKDIR /src
COPY . .
# .cargo/config.toml links the C library in, so that the programs run on an empty image.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/target \
    CARGO_TARGET_DIR=/target cargo build --release --locked --package millwright-operator --package millwright-agent --package kubectl-millwright \
 && mkdir /programs \
 && cp /target/*/release/millwright-operator /target/*/release/millwright-agent /target/*/release/kubectl-millwright /programs/

FROM scratch AS prebuilt
COPY . /programs/

FROM ${BINARIES} AS binaries

FROM scratch AS operator
COPY --from=binaries /programs/millwright-operator /millwright-operator
USER 65532:65532
ENTRYPOINT ["/millwright-operator"]

FROM scratch AS agent
COPY --from=binaries /programs/millwright-agent /millwright-agent
USER 65532:65532
ENTRYPOINT ["/millwright-agent"]

FROM scratch AS cli
COPY --from=binaries /programs/kubectl-millwright /kubectl-millwright
USER 65532:65532
ENTRYPOINT ["/kubectl-millwright"]
