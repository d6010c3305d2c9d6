#!/usr/bin/env bash
# A client under test in a shell: curl with a timeout and two retries. sadpath runs it once for each call.
set -u
[ -n "$SADPATH_METHOD" ] || exit 77 # an operation that the API does not have
curl --silent --show-error --fail --noproxy '*' --max-time 2 --retry 2 --retry-delay 1 --retry-max-time 6 \
  --request "$SADPATH_METHOD" --header "Authorization: Bearer $SADPATH_TOKEN" \
  --header 'Content-Type: application/json' ${SADPATH_BODY:+--data-raw "$SADPATH_BODY"} \
  ${SADPATH_CA_FILE:+--cacert "$SADPATH_CA_FILE"} "$SADPATH_URL" || exit 1
