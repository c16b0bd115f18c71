# The command `bottleneck` for the CPU; for NVIDIA GPUs: docker build --build-arg GPU=1
# docs/deploy.md says how it is used. `make container` builds and tries the image without Docker.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim-bookworm AS build
# Any value: CUDA's libraries are installed, too.
ARG GPU=
# Beside what the package needs: a faster engine for the CPU, and ONNX files.
ARG EXTRAS="openvino onnx onnxruntime tf2onnx"
# Earlier releases of pip do not take hashes from constraints.
ARG PIP=26.3
ENV PATH=/opt/bottleneck/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
COPY requirements-light.txt requirements.lock requirements-gpu.lock ./
# The locks have the version and the SHA-256 of every package: what is not in them is refused.
RUN python -m venv /opt/bottleneck \
    && pip install "pip==${PIP}" \
    && pip install --require-hashes --constraint requirements.lock ${GPU:+--constraint requirements-gpu.lock} \
        --requirement requirements-light.txt "tensorflow${GPU:+[and-cuda]}==2.21.*" ${EXTRAS}
COPY pyproject.toml README.md LICENSE ./
COPY pipeline pipeline
RUN pip install --no-deps --build-constraint requirements.lock .

FROM python:${PYTHON}-slim-bookworm
RUN useradd --uid 1000 --create-home bottleneck \
    && mkdir -p /workspace/features_cache /workspace/runs /workspace/home \
    && chown -R bottleneck /workspace
COPY --from=build /opt/bottleneck /opt/bottleneck
# Weights and what is known of them are kept in /workspace/home.
ENV PATH=/opt/bottleneck/bin:$PATH BOTTLENECK_HOME=/workspace/home KERAS_HOME=/tmp/keras MPLCONFIGDIR=/tmp/matplotlib PYTHONUNBUFFERED=1
USER 1000
WORKDIR /workspace
# One volume: one inside of a volume that is mounted here would hide a part of it.
VOLUME ["/workspace"]
ENTRYPOINT ["bottleneck"]
CMD ["--help"]
