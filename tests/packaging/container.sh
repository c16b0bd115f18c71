#!/usr/bin/env bash
# Builds the image of the Dockerfile with buildah, which needs no engine, and uses it as docs/deploy.md does. Run it as root; it needs buildah.
#
#   tests/packaging/container.sh [OPTIONS OF buildah build, such as --build-arg GPU=1]
#
# BASE=debian: where no registry of images is reached, the image that it begins with is made by debootstrap, with Debian's own Python; the
# addresses and certificates of this machine's network are copied into it.
set -euo pipefail
project=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
export BUILDAH_ISOLATION=chroot
container=
clean() {
    [ -z "$container" ] || buildah rm "$container" >/dev/null
    rm -rf "$work"
}
trap clean EXIT

if [ "${BASE:-}" = debian ]; then
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$work/base" >/dev/null
    ln -s /usr/bin/python3 "$work/base/usr/local/bin/python"
    for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt; do cp "$file" "$work/base$file"; done
    printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' >"$work/base/etc/pip.conf"
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$work/base" / >/dev/null
    buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
    buildah commit --quiet --rm "$container" docker.io/library/python:3.11-slim-bookworm >/dev/null
    container=
    rm -rf "$work/base"
    set -- --pull-never "$@"
fi
buildah build --network host --tag bottleneck "$@" "$project"

# Two containers with one volume: what the first one computed, the second one uses.
(cd "$project" && "${PYTHON:-python3}" -c "import pathlib, tests.conftest as t; t.draw_tree(pathlib.Path('$work/photos'), {'': 30})")
mkdir "$work/volume"
chown 1000 "$work/volume"
use() {
    container=$(buildah from --pull-never localhost/bottleneck)
    buildah run --volume "$work/photos:/data:ro" --volume "$work/volume:/workspace" "$container" bottleneck "$@"
    buildah run --volume "$work/volume:/workspace" "$container" sh -c 'test $(id -u) -eq 1000; touch /tmp/x; ! touch /opt/x 2>/dev/null'
    buildah rm "$container" >/dev/null
    container=
}
how=(--base squeezenet --size 48 --weights random)
use features /data "${how[@]}" | grep "60 new, 0 reused"
use features /data "${how[@]}" | grep "0 new, 60 reused"
use head /data --head logreg --name first "${how[@]}"
use predict first /data/red | head -3
buildah images
