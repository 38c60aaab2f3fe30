"""A config file and listed accounts with every oddity in them, for tests of what people name."""

from __future__ import annotations

from keyfob import aws_config
from keyfobd.core.model import Account, CatalogueEntry
from keyfobd.core.profiles import known

CONFIG = """
[sso-session corp]
sso_start_url = https://d-1234567890.awsapps.com/start
sso_region = us-east-1
sso_registration_scopes = sso:account:access, other:scope

[sso-session lab/two]
sso_start_url = https://lab.awsapps.com/start/
sso_region = eu-west-1

[profile dev]
sso_session = corp
sso_account_id = 111111111111
sso_role_name = Admin
region = eu-west-1

[profile old]
sso_start_url = https://d-1234567890.awsapps.com/start#
sso_region = us-east-1
sso_account_id = 444444444444
sso_role_name = ReadOnly

[profile older]
sso_start_url = https://d-1234567890.awsapps.com/start/
sso_region = us-east-1

[profile Admin@222222222222]
sso_session = corp
sso_account_id = 333333333333
sso_role_name = Billing

[profile made]
credential_process = /opt/bin/keyfob credential-process corp/222222222222/Admin

[profile adopted]
credential_process = /opt/bin/keyfob credential-process adopted
keyfob_sso_session = corp
keyfob_sso_account_id = 222222222222
keyfob_sso_role_name = ReadOnly

[profile loop]
credential_process = keyfob credential-process pool

[profile pool]
credential_process = keyfob credential-process loop

[profile halfway]
sso_session = corp

[profile keys]
aws_access_key_id = AKIAIOSFODNN7EXAMPLE

[profile chained]
role_arn = arn:aws:iam::111111111111:role/Deploy
source_profile = dev

[profile signed]
login_session = arn:aws:iam::111111111111:user/me

[profile other]
credential_process = /opt/bin/aws-vault exec x

[profile place]
region = eu-west-1

[profile astray]
sso_session = nowhere
sso_account_id = 111111111111
sso_role_name = Admin

[profile vague]
sso_start_url = https://vague.awsapps.com/start
sso_account_id = 111111111111
sso_role_name = Admin

[profile torn]
sso_session = corp
sso_region = us-west-2
sso_account_id = 111111111111
sso_role_name = Admin
"""


def entry(account_id: str, name: str | None, *roles: str) -> CatalogueEntry:
    return CatalogueEntry(Account(account_id, name), roles)


CATALOGUES = {
    "corp": (
        entry("111111111111", "prod", "Admin", "ReadOnly"),
        entry("222222222222", "dev @ home/2", "Admin", "ReadOnly"),
        entry("333333333333", "twin", "Admin"),
        entry("555555555555", "twin", "Admin", "Only.One"),
        entry("666666666666", "dev", "Admin"),
        entry("777777777777", None, "Nameless"),
    ),
    "lab/two": (entry("999999999999", "prod", "Admin"), entry("888888888888", "lab", "Scientist")),
    "gone": (entry("000000000000", "gone", "Admin"),),
}
EVERYTHING = known(aws_config.parse(CONFIG), CATALOGUES)
