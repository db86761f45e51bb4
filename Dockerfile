# One image for every mode. SERVICE_MODE selects the mode of a container.
#
#   docker buildx build --platform linux/amd64,linux/arm64 -t registry.example.com/guildway --push .
#
# The build stages run once, on the platform of the build machine: JavaScript is platform-independent, and the one native library
# includes binaries for both platforms. Nothing runs on the target platform during the build, so no emulator is needed.

# Renovate adds the digest (renovate.json). Until then, and for manual builds, use a digest that you have verified:
#
#   docker buildx imagetools inspect docker.io/library/node:24-slim --format '{{.Manifest.Digest}}'
#   docker buildx build --build-arg BASE=docker.io/library/node:24-slim@sha256:... .
ARG BASE=docker.io/library/node:24-slim

FROM --platform=$BUILDPLATFORM ${BASE} AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# --ignore-scripts: installed packages run no code here.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
 && cd node_modules/sodium-native/prebuilds && rm -rf android-* darwin-* ios-* win32-* \
 && mkdir -p /volume/data

# The published package. Node could run the TypeScript sources, but that costs every new pod 24 MiB for Node's type stripper and 150 ms
# of CPU. A compile cache in the image would not help: it is valid only for the CPU model that filled it.
FROM --platform=$BUILDPLATFORM ${BASE} AS javascript
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json README.md LICENSE CHANGELOG.md ./
COPY src src
COPY bots bots
COPY testkit testkit
COPY scripts/build.ts scripts/build.ts
RUN node scripts/build.ts

FROM ${BASE} AS runtime
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG BASE
LABEL org.opencontainers.image.title="guildway" \
      org.opencontainers.image.description="A SQLite-backed Discord bot on many pods: every guild is answered by its one owner." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"
ENV NODE_ENV=production
WORKDIR /app
# A new volume inherits this folder's owner, so the pod can write the database without root.
COPY --from=packages --chown=1000:1000 /volume /
COPY --from=packages /app/node_modules node_modules
# Scanners find the packages' versions in the lock and the bill of materials.
COPY package-lock.json LICENSE ./
COPY --from=javascript /app/dist/package.json /app/dist/sbom.cdx.json ./
COPY --from=javascript /app/dist/src src
COPY --from=javascript /app/dist/bots bots
# The user `node` of the base image, as a number: runAsNonRoot works only with numeric users.
USER 1000:1000
EXPOSE 3000 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=6 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.ADMIN_PORT || 9090) + '/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node"]
CMD ["src/main.js"]

# The Discord simulator and the staging run's load, as TypeScript sources. Never part of a release.
FROM runtime AS testkit
COPY src src
COPY bots bots
COPY testkit testkit
COPY scripts/staging scripts/staging
CMD ["testkit/discord/cli.ts"]

FROM runtime
