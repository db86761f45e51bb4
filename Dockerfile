# One image for every mode: SERVICE_MODE says what a container of it is.
#
#   docker buildx build --platform linux/amd64,linux/arm64 -t registry.example.com/guildway --push .
#
# What is built, is built once, on the platform of the machine that builds: JavaScript is the same everywhere, and the one native
# library brings its binaries for both platforms. Nothing of the target platform runs meanwhile, so no emulator is needed.

# Renovate adds the digest (renovate.json). Until then, and where you build by hand, take the one that you have looked at:
#
#   docker buildx imagetools inspect docker.io/library/node:24-slim --format '{{.Manifest.Digest}}'
#   docker buildx build --build-arg BASE=docker.io/library/node:24-slim@sha256:... .
ARG BASE=docker.io/library/node:24-slim

FROM --platform=$BUILDPLATFORM ${BASE} AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# --ignore-scripts: an installed package runs no code here.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
 && cd node_modules/sodium-native/prebuilds && rm -rf android-* darwin-* ios-* win32-* \
 && mkdir -p /volume/data

# The package as it is published. Node could run the TypeScript as it is, but every new pod would pay for it: 24 MiB for Node's type
# stripper and 150 ms of CPU. A compile cache in the image does not spare them: it is valid only for the kind of CPU that filled it.
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
# A new volume takes over this folder's owner, which is how the database can be written without root.
COPY --from=packages --chown=1000:1000 /volume /
COPY --from=packages /app/node_modules node_modules
# The lock and the bill of materials are for scanners, which find the packages' versions in them.
COPY package-lock.json LICENSE ./
COPY --from=javascript /app/dist/package.json /app/dist/sbom.cdx.json ./
COPY --from=javascript /app/dist/src src
COPY --from=javascript /app/dist/bots bots
# The user `node` of the base image, as a number: Kubernetes can only verify numbers to be other than root.
USER 1000:1000
EXPOSE 3000 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=6 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.ADMIN_PORT || 9090) + '/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node"]
CMD ["src/main.js"]

# The simulator of Discord and the staging run's load, in TypeScript as they are: never part of a release.
FROM runtime AS testkit
COPY src src
COPY bots bots
COPY testkit testkit
COPY scripts/staging scripts/staging
CMD ["testkit/discord/cli.ts"]

FROM runtime
