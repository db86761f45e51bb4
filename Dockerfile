# One image for every mode: SERVICE_MODE says what a container of it is.
#
#   docker buildx build --platform linux/amd64,linux/arm64 -t registry.example.com/guildway --push .
#
# Nothing is compiled: Node runs the TypeScript as it is, and the one native library brings its binaries for both platforms.
# So the packages are installed once, on the machine that builds.

ARG BASE=docker.io/library/node:24-slim

FROM --platform=$BUILDPLATFORM ${BASE} AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# --ignore-scripts: an installed package runs no code here.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
 && cd node_modules/sodium-native/prebuilds && rm -rf android-* darwin-* ios-* win32-* \
 && mkdir -p /volume/data

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
COPY package.json package-lock.json LICENSE ./
COPY src src
COPY bots bots
# The user `node` of the base image, as a number: Kubernetes can only verify numbers to be other than root.
USER 1000:1000
EXPOSE 3000 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=6 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.ADMIN_PORT || 9090) + '/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node"]
CMD ["src/main.ts"]

# The simulator of Discord and the staging run's load: never part of a release.
FROM runtime AS testkit
COPY testkit testkit
COPY scripts/staging scripts/staging
CMD ["testkit/discord/cli.ts"]

FROM runtime
