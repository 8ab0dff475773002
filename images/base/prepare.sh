#!/bin/sh
# Runs once inside the base image: user, import path, byte code, no set-uid files.
set -eu

echo 'genvm:x:64321:' >> /etc/group
echo 'genvm:x:64321:64321:GenVM:/nonexistent:/usr/sbin/nologin' >> /etc/passwd

python3 - <<'PYTHON'
import pathlib
import site

packages = pathlib.Path(site.getsitepackages()[0])
packages.mkdir(parents=True, exist_ok=True)
(packages / "genvm.pth").write_text("/opt/genvm/lib\n")
PYTHON

# The order of a set is in byte code: without a fixed seed no two builds would be the same.
export PYTHONHASHSEED=0

# Unchecked hashes: the byte code stays valid whatever times an image tool gives to the files.
# `test` and `lib2to3` hold files that are broken on purpose, hence no failure on errors.
python3 -m compileall -qq --invalidation-mode unchecked-hash -x '/(test|tests|lib2to3)/' \
    "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" /opt/genvm/lib || true

find / -xdev -perm /6000 -exec chmod a-s {} +
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/* /var/log/*.log /root/.cache
