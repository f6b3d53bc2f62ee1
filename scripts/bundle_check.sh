#!/usr/bin/env bash
# With the Databricks CLI and a workspace at hand: validate, plan, deploy, run, plan again, destroy, for each target.
#   make bundle-check                 dev and prod
#   make bundle-check TARGETS=dev     one of them
# It deploys for real and then destroys what it deployed, tables included: use a workspace made for it.
set -euo pipefail
cd "$(dirname "$0")/.."

lacks() { echo "bundle-check: $1" >&2; exit 3; }
command -v databricks >/dev/null ||
  lacks "needs the Databricks CLI 1.13 or newer on the PATH: docs.databricks.com/dev-tools/cli/install"
[ -n "${DATABRICKS_HOST:-}${DATABRICKS_CONFIG_PROFILE:-}" ] ||
  lacks "needs a workspace: set DATABRICKS_HOST and a login, or DATABRICKS_CONFIG_PROFILE"
for target in ${TARGETS:-dev prod}; do
  [ "$target" = dev ] || [ -n "${BUNDLE_VAR_service_principal:-}" ] ||
    lacks "$target needs BUNDLE_VAR_service_principal, the application id that its jobs run as"
  [ "$target" = dev ] || [ -n "${BUNDLE_VAR_alert_recipient:-}" ] ||
    lacks "$target needs BUNDLE_VAR_alert_recipient, the address that its alerts go to"
done

step() { echo; echo "== $target: $*"; }
for target in ${TARGETS:-dev prod}; do
  bundle() { databricks bundle "$@" --target "$target"; }
  step validate --strict
  bundle validate --strict
  step plan
  bundle plan
  trap 'echo "bundle-check: stopped; destroying what $target has"; bundle destroy --auto-approve' EXIT
  step deploy
  bundle deploy
  step summary
  bundle summary
  step run medallion
  bundle run medallion
  step plan again
  again=$(bundle plan)
  echo "$again"
  grep -q "^Plan: 0 to add, 0 to change, 0 to delete" <<<"$again" || {
    echo "bundle-check: $target: a second plan wants changes" >&2
    exit 1
  }
  step destroy
  trap - EXIT
  bundle destroy --auto-approve
done
echo
echo "bundle-check: ${TARGETS:-dev prod}: nothing wrong"
