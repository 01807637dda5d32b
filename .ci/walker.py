"""Who walks: one person, who signs in again when a token is refused, and registers again when the account is gone."""

import os

import requests
import schemathesis

AUTH = os.environ["SERVER"] + "/api/v1/auth/"
PERSON = {"username": os.environ["WALKER_NAME"], "password": os.environ["WALKER_PASSWORD"]}


@schemathesis.auth(retry_on=[401])
class Walker:
    def get(self, case, context):
        answer = requests.post(AUTH + "login", json=PERSON, timeout=10)
        if answer.status_code == 401:
            answer = requests.post(AUTH + "register", json=PERSON, timeout=10)
        answer.raise_for_status()
        return answer.json()["access_token"]

    def set(self, case, token, context):
        case.headers["Authorization"] = f"Bearer {token}"


@schemathesis.serializer("application/offset+octet-stream")
def bytes_of_an_upload(context, value):
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")
