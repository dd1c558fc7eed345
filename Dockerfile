# One image for every function, the migration Job and the stand-in services. FUNCTION_SOURCE and FUNCTION_TARGET choose the
# function; another command runs the rest: `python -m sql.migrate`, `python -m seed.load`, `python -m local.trip_service`.

# 3.11 or later: every pinned library has wheels for 3.11 to 3.15.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
COPY requirements/run.txt /tmp/run.txt
# Only wheels, and only those whose hashes are pinned: nothing is compiled here, so nothing of a compiler can be left. Tests of
# the dependencies and what only an installer reads are not carried along; metadata stays, because the framework finds its
# plugins by it. Of the 1,100 locales those of these languages stay: what LOCALE may be.
ARG LOCALES="as bn en gu hi kn ml mr or pa ta te ur"
RUN python -m venv --without-pip /venv \
 && pip --python /venv/bin/python install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary=:all: \
      --no-compile --requirement /tmp/run.txt \
 && find /venv -type d \( -name tests -o -name test \) -prune -exec rm -rf {} + \
 && find /venv -name '*.pyi' -delete \
 && cd /venv/lib/python*/site-packages/babel/locale-data \
 && for locale in *.dat; do case " root $LOCALES " in *" ${locale%%[._]*} "*) ;; *) rm "$locale" ;; esac; done
COPY functions /app/functions
COPY shared /app/shared
COPY sql /app/sql
COPY seed /app/seed
COPY local /app/local
COPY gunicorn.conf.py /app/gunicorn.conf.py
# Bytecode that is never checked against the source's time: the file system is read-only, and a cold start reads less.
RUN /venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib /app

FROM python:${PYTHON}-slim
# A number, so that Kubernetes can see that it is not root.
RUN groupadd --gid 10001 payments && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp payments
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PORT=8080 \
    FUNCTION_SOURCE=/app/functions/health/main.py \
    FUNCTION_TARGET=health
WORKDIR /app
USER 10001:10001
EXPOSE 8080
# gunicorn is process 1: on SIGTERM it stops listening, finishes what runs and ends.
CMD ["gunicorn", "--config", "/app/gunicorn.conf.py", "functions_framework:create_app()"]
