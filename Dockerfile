# The one image of web, worker and scheduler. How to build it for amd64 and arm64, and how to take a new base: image/README.md
# Pinned by the digest of the index, which names one image for each architecture.
ARG PYTHON=python:3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

FROM ${PYTHON} AS build
# Every time stamp that a build writes: the same sources make the same files.
ARG SOURCE_DATE_EPOCH=1764547200
ENV SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH} \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_INPUT=1
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /src
# What changes seldom comes first.
COPY image/requirements.lock image/build.lock image/build ./image/
RUN image/build packages /opt/throughline
COPY pyproject.toml README.md LICENSE ./
COPY service ./service
COPY image/licences.py ./image/
RUN image/build throughline /opt/throughline
COPY mappings /opt/throughline/site/mappings
COPY subscriptions /opt/throughline/site/subscriptions

FROM ${PYTHON}
LABEL org.opencontainers.image.title="Throughline" \
      org.opencontainers.image.description="Every next step of a care pathway gets a named owner and a clock; silence escalates into the FHIR record." \
      org.opencontainers.image.licenses="Apache-2.0"
# Nobody installs anything in a running container; what cannot be used cannot be misused. Numeric, so that Kubernetes can
# see that it is not root.
RUN rm -rf /usr/local/lib/python3.*/site-packages/pip* /usr/local/lib/python3.*/ensurepip /usr/local/bin/pip* \
    && groupadd --gid 10001 throughline \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin throughline
COPY --from=build /opt/throughline /opt/throughline
ENV PATH=/opt/throughline/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    THROUGHLINE_MAPPINGS_DIR=/opt/throughline/site/mappings \
    THROUGHLINE_SUBSCRIPTIONS_DIR=/opt/throughline/site/subscriptions
WORKDIR /opt/throughline/site
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["throughline"]
CMD ["--help"]
