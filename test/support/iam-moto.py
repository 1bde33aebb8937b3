# Asks the IAM of moto, which is not ours, what policies allow. In: a JSON list of {policies, action, resource, context}.
# Out: a JSON list of booleans.
import json
import sys

from moto.iam.access_control import IAMPolicy, PermissionResult


def allowed(call):
    said = [
        IAMPolicy(json.dumps(policy)).is_action_permitted(
            call["action"], call["resource"], None, call["context"]
        )
        for policy in call["policies"]
    ]
    return PermissionResult.DENIED not in said and PermissionResult.PERMITTED in said


json.dump([allowed(call) for call in json.load(sys.stdin)], sys.stdout)
