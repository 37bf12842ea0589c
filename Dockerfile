# Two images from one file:
#
#   docker build --target distroless .   remote servers only: no shell, no launchers (the default target)
#   docker build --target full .         node, npx, uv, python and git for servers that run as processes
#
# Every base is an argument and takes a digest: --build-arg DISTROLESS_BASE=NAME:TAG@sha256:…
# Without a registry or a daemon: bun run images (docs/DEPLOYMENT.md).
ARG BUILD_BASE=docker.io/oven/bun:1.4.5-debian
ARG TINI_BASE=docker.io/library/debian:bookworm-slim
ARG UV_BASE=ghcr.io/astral-sh/uv:0.13.9
ARG FULL_BASE=docker.io/library/node:24.21.0-bookworm-slim
ARG DISTROLESS_BASE=gcr.io/distroless/base-debian12:nonroot


# Replaced by --build-context build=FOLDER, it is not run: the images then hold the file FOLDER/compozy,
# the very one whose sum was published.
FROM ${BUILD_BASE} AS build
WORKDIR /src
COPY package.json bun.lock bunfig.toml ./
RUN bun install --frozen-lockfile --production --ignore-scripts --no-progress
COPY tsconfig.json LICENSE ./
COPY scripts/build.ts scripts/commit.ts scripts/
COPY src src
ARG COMPOZY_COMMIT
ARG SOURCE_DATE_EPOCH
RUN bun scripts/build.ts --outfile /compozy


FROM ${UV_BASE} AS uv


# Everything that both images get, owners aside. The executable is no init: as PID 1 it would leave
# orphans of its children as zombies, so tini stands in front of it.
FROM ${TINI_BASE} AS layout
RUN [ -x /usr/bin/tini-static ] || { \
      apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/*; \
    }
RUN mkdir -p /layout/usr/bin /layout/usr/local/bin /layout/usr/share/doc/compozy /state /home-of-nonroot && \
    cp /usr/bin/tini-static /layout/usr/bin/tini && \
    ln -s /compozy /layout/usr/local/bin/compozy
# The published examples probe with wget, and in a line that runtimes give to a shell. In the image that has
# neither, the executable answers to both names, for health checks only.
RUN mkdir -p /stand-ins && ln -s /compozy /stand-ins/wget && ln -s /compozy /stand-ins/sh
COPY LICENSE /layout/usr/share/doc/compozy/
COPY --from=build --chmod=0755 /compozy /layout/compozy


FROM ${FULL_BASE} AS full
RUN command -v python3 >/dev/null && command -v git >/dev/null && command -v wget >/dev/null && \
    [ -d /etc/ssl/certs ] || { \
      apt-get update && \
      apt-get install -y --no-install-recommends ca-certificates git python3 wget && \
      rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/debconf/*-old /var/log/*; \
    }
RUN groupadd --gid 65532 nonroot && \
    useradd --uid 65532 --gid 65532 --home-dir /home/nonroot --shell /usr/sbin/nologin nonroot
COPY --from=uv /uv /uvx /usr/local/bin/
COPY --from=layout /layout/ /
COPY --from=layout --chown=65532:65532 /state/ /var/lib/compozy/
# npm, npx, uv and pip keep their caches below HOME; a volume stays writable under a read-only root.
COPY --from=layout --chown=65532:65532 /home-of-nonroot/ /home/nonroot/
ENV COMPOZY_IMAGE=full \
    HOME=/home/nonroot \
    MCP_PROXY_HOST=0.0.0.0 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LABEL org.opencontainers.image.title="compozy mcp-proxy (full)" \
      org.opencontainers.image.description="Exposes MCP servers over HTTP; with node, uv, python and git" \
      org.opencontainers.image.licenses="MIT"
USER 65532:65532
# compozy.yaml is read from here when it is mounted.
WORKDIR /etc/compozy
VOLUME ["/var/lib/compozy", "/home/nonroot"]
EXPOSE 6001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s --retries=3 CMD ["compozy", "healthcheck"]
ENTRYPOINT ["tini", "-s", "--"]
CMD ["compozy", "mcp-proxy"]


FROM ${DISTROLESS_BASE} AS distroless
COPY --from=layout /layout/ /
COPY --from=layout /stand-ins/ /bin/
COPY --from=layout --chown=65532:65532 /state/ /var/lib/compozy/
ENV COMPOZY_IMAGE=distroless \
    HOME=/home/nonroot \
    MCP_PROXY_HOST=0.0.0.0 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LABEL org.opencontainers.image.title="compozy mcp-proxy" \
      org.opencontainers.image.description="Exposes MCP servers over HTTP" \
      org.opencontainers.image.licenses="MIT"
USER 65532:65532
# compozy.yaml is read from here when it is mounted.
WORKDIR /etc/compozy
VOLUME ["/var/lib/compozy"]
EXPOSE 6001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s --retries=3 CMD ["compozy", "healthcheck"]
ENTRYPOINT ["tini", "-s", "--"]
CMD ["compozy", "mcp-proxy"]
