# authserver in a container: two stages, no build tools in the second, numeric user, read-only root file system.
#
#   docker build -t authserver .
#   docker run --read-only --tmpfs /tmp -p 8000:8000 -v data:/var/lib/authserver/data -v keys:/var/lib/authserver/keys \
#     -e AUTHSERVER_ISSUER=http://127.0.0.1:8000 authserver
#
# With PostgreSQL set AUTHSERVER_DATABASE__URL and AUTHSERVER_MASTER_KEY_FILE instead, and run `authserver db upgrade`
# from the same image before the first node starts and before each upgrade.

FROM python:3.13-slim AS build
WORKDIR /source
COPY requirements/build.txt requirements/server.txt requirements/
# Only wheels, each with its hash: a download must not run code here.
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --only-binary :all: --require-hashes -r requirements/build.txt \
 && python -m venv /opt/authserver \
 && /opt/authserver/bin/pip install --no-cache-dir --only-binary :all: --require-hashes -r requirements/server.txt
COPY . .
RUN /opt/build/bin/python -m hatchling build --target wheel --directory /opt/wheel \
 && /opt/authserver/bin/pip install --no-cache-dir --no-index --no-deps /opt/wheel/authserver-*.whl \
 && /opt/authserver/bin/pip uninstall --yes pip

FROM python:3.13-slim
COPY --from=build /opt/authserver /opt/authserver
# The user is numeric, so Kubernetes can check "runAsNonRoot". New named volumes take the owner and mode of these folders.
RUN install --directory --owner 10001 --group 10001 --mode 0700 \
    /var/lib/authserver /var/lib/authserver/data /var/lib/authserver/keys
ENV PATH=/opt/authserver/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    AUTHSERVER_SERVER__HOST=0.0.0.0 \
    AUTHSERVER_DATA_DIR=/var/lib/authserver/data \
    AUTHSERVER_KEY_DIR=/var/lib/authserver/keys
# Two volumes, because a copy of the data must not hold the master key. /tmp holds short-lived files.
VOLUME ["/var/lib/authserver/data", "/var/lib/authserver/keys", "/tmp"]
WORKDIR /var/lib/authserver
USER 10001:10001
EXPOSE 8000
# urllib would follow http_proxy, so this uses http.client.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import http.client as h, os, sys; c = h.HTTPConnection('127.0.0.1', int(os.environ.get('AUTHSERVER_SERVER__PORT', 8000)), timeout=2); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["authserver"]
CMD ["serve"]
