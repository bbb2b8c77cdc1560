#!/usr/bin/env bash
# Brings Keycloak for the end-to-end suite, from Maven Central: bash test/support/install-keycloak.sh
# It needs Java 17 and Maven, and puts Keycloak where KEYCLOAK_HOME says, else under ~/.cache.
set -euo pipefail

version=26.4.7
home=${KEYCLOAK_HOME:-$HOME/.cache/berth/keycloak}

if grep -qsF "$version" "$home/version.txt"; then
  echo "Keycloak $version is in $home"
  exit 0
fi
if [ -e "$home" ]; then
  echo "$home is there and is not Keycloak $version: remove it, or set KEYCLOAK_HOME" >&2
  exit 1
fi

mkdir -p "$(dirname "$home")"
unpacked=$(mktemp -d "$home.XXXXXX")
trap 'rm -rf "$unpacked"' EXIT

echo "Fetching Keycloak $version (150 MB)"
# Maven's plugin leaves marks of what it did wherever it is called.
(cd "$unpacked" && mvn -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:unpack \
  -Dartifact="org.keycloak:keycloak-quarkus-dist:$version:zip" -DoutputDirectory="$unpacked")

# Built beforehand for a database in memory, a start builds nothing and leaves the installation as it is.
"$unpacked/keycloak-$version/bin/kc.sh" build --db=dev-mem

mv "$unpacked/keycloak-$version" "$home"
echo "Keycloak $version is in $home"
