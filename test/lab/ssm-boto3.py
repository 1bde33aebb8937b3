"""The lab's SSM endpoint as a client sees it that is not ours: python3 ssm-boto3.py ENDPOINT REGION INSTANCE."""

import json
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

ENDPOINT, REGION, INSTANCE = sys.argv[1:]
TRUNCATED = "--output truncated--"


def client(**more):
    config = Config(retries={"total_max_attempts": 1})
    return boto3.client("ssm", endpoint_url=ENDPOINT, region_name=REGION, config=config, **more)


ssm = client()


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        return
    raise AssertionError(f"{code} was expected")


def send(commands, document="AWS-RunShellScript", **more):
    answer = ssm.send_command(
        InstanceIds=[INSTANCE], DocumentName=document, Parameters={"commands": commands, **more}
    )
    return answer["Command"]["CommandId"]


def result(command):
    try:
        waiter = ssm.get_waiter("command_executed")
        waiter.wait(CommandId=command, InstanceId=INSTANCE, WaiterConfig={"Delay": 1})
    except WaiterError:
        pass  # it failed, and the invocation says how
    while True:
        found = ssm.get_command_invocation(CommandId=command, InstanceId=INSTANCE)
        if found["Status"] != "Cancelling":
            return found
        time.sleep(0.2)


def test_instances():
    found = ssm.describe_instance_information(
        Filters=[{"Key": "InstanceIds", "Values": [INSTANCE]}]
    )["InstanceInformationList"]
    assert [each["PingStatus"] for each in found] == ["Online"], found
    assert found[0]["LastPingDateTime"].timestamp() > time.time() - 60


def test_a_command_appears_late_and_then_succeeds():
    command = send(["echo $((6 * 7))", 'echo "$0" >&2', "cat /proc/$$/comm"])
    refused("InvocationDoesNotExist", ssm.get_command_invocation, CommandId=command, InstanceId=INSTANCE)
    found = result(command)
    assert (found["Status"], found["StatusDetails"], found["ResponseCode"]) == ("Success", "Success", 0)
    assert found["StandardOutputContent"].split() == ["42", "sh"], found
    assert found["StandardErrorContent"].strip().endswith("_script.sh"), found
    details = ssm.list_command_invocations(CommandId=command, Details=True)["CommandInvocations"]
    assert details[0]["CommandPlugins"][0]["Output"].startswith("42"), details
    assert ssm.list_commands(CommandId=command)["Commands"][0]["Status"] == "Success"


def test_output_is_cut_off():
    found = result(send(["head -c 30000 /dev/zero | tr '\\0' x; head -c 9000 /dev/zero | tr '\\0' y >&2"]))
    for key, size in (("StandardOutputContent", 24000), ("StandardErrorContent", 8000)):
        assert len(found[key]) == size and found[key].endswith(TRUNCATED), len(found[key])
        assert found[key][0] in "xy"


def test_exit_codes():
    assert result(send(["exit 3"]))["ResponseCode"] == 3
    assert result(send(["exit 168"]))["Status"] == "Success"
    again = result(send(["n=/run/boto3-$PPID", "echo x >>$n", "[ $(wc -l <$n) = 3 ] || exit 194", "rm $n"]))
    assert again["Status"] == "Success", again


def test_execution_timeout_and_cancel():
    late = result(send(["sleep 30"], executionTimeout=["1"]))
    assert (late["Status"], late["StatusDetails"], late["ResponseCode"]) == ("TimedOut", "ExecutionTimedOut", 137)
    command = send(["sleep 31"])
    time.sleep(1)
    running = ssm.get_command_invocation(CommandId=command, InstanceId=INSTANCE)
    assert (running["Status"], running["ResponseCode"]) == ("InProgress", -1), running
    ssm.cancel_command(CommandId=command)
    assert result(command)["Status"] == "Cancelled"


def test_braces_are_interpolated():
    found = result(send(["echo '{{ workingDirectory }}|{{executionTimeout}}|{{nothing}}'"], executionTimeout=["77"]))
    assert found["StandardOutputContent"] == "|77|{{nothing}}\n", found
    refused("ParameterNotFound", ssm.send_command, InstanceIds=[INSTANCE], DocumentName="AWS-RunShellScript",
            Parameters={"commands": ["echo {{ssm:secret}}"]})


def test_documents():
    content = {
        "schemaVersion": "2.2",
        "parameters": {"word": {"type": "String", "allowedPattern": "^[a-z]*$"}},
        "mainSteps": [
            {"action": "aws:runShellScript", "name": "say", "inputs": {"runCommand": ["echo '{{ word }}'"]}}
        ],
    }
    name = f"boto3-{int(time.time())}"
    ssm.create_document(Name=name, Content=json.dumps(content), DocumentType="Command")
    assert json.loads(ssm.get_document(Name=name)["Content"]) == content
    assert ssm.describe_document(Name=name)["Document"]["Owner"] != "Amazon"
    say = {"InstanceIds": [INSTANCE], "DocumentName": name}
    said = result(ssm.send_command(**say, Parameters={"word": ["hello"]})["Command"]["CommandId"])
    assert said["StandardOutputContent"] == "hello\n"
    refused("InvalidParameters", ssm.send_command, **say, Parameters={"word": ["'; id"]})
    refused("InvalidParameters", ssm.send_command, **say, Parameters={"unknown": ["a"]})
    refused("InvalidDocument", ssm.describe_document, Name="nobody-made-this")


def test_what_is_refused():
    run = {"DocumentName": "AWS-RunShellScript", "Parameters": {"commands": ["true"]}}
    refused("InvalidInstanceId", ssm.send_command, InstanceIds=["i-00000000000000000"], **run)
    too_large = {"commands": ["x" * 70_000]}
    refused("MaxDocumentSizeExceeded", ssm.send_command, InstanceIds=[INSTANCE], DocumentName="AWS-RunShellScript",
            Parameters=too_large)
    wrong = client(aws_secret_access_key="another", aws_access_key_id=boto3.Session().get_credentials().access_key)
    refused("InvalidSignatureException", wrong.list_commands)
    refused("UnrecognizedClientException", client(aws_access_key_id="AKIAUNKNOWN", aws_secret_access_key="x").list_commands)
    elsewhere = boto3.client("ssm", endpoint_url=ENDPOINT, region_name="us-east-1")
    refused("InvalidSignatureException", elsewhere.list_commands)


for name, test in list(globals().items()):
    if name.startswith("test_"):
        test()
        print(name.removeprefix("test_").replace("_", " "))
