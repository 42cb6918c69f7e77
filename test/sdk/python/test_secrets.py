"""A secret's life: set, get by every spelling, old versions, lists."""

import time
from datetime import datetime, timezone

from azure.keyvault.secrets import ApiVersion, KeyVaultSecretIdentifier

from world import DAYS, WORLD, TestCase, attributes, client, fresh, one, versions_of

NOT_BEFORE = datetime(2020, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
EXPIRES_ON = datetime(2045, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


class Secrets(TestCase):
    def test_a_version_keeps_what_it_was_set_with(self):
        name, start, tags = fresh("set"), int(time.time()), {"team": "payments", "a b": "ä/ö"}
        made = one.set_secret(name, "first", content_type="text/plain", tags=tags, not_before=NOT_BEFORE, expires_on=EXPIRES_ON)
        self.same(made.value, "first", "the answer to set")
        got = one.get_secret(name)
        self.same(got.value, "first", "the current version")
        p = got.properties
        self.assertEqual(attributes(p), attributes(made.properties))
        self.assertRegex(p.version, "^[0-9a-f]{32}$")
        self.assertEqual(got.id, f"{WORLD['vaults']['one']}/secrets/{name}/{p.version}")
        parsed = KeyVaultSecretIdentifier(got.id)
        self.assertEqual((parsed.vault_url, parsed.name, parsed.version), (WORLD["vaults"]["one"], name, p.version))
        self.assertEqual(attributes(p), (p.version, True, "text/plain", tags, NOT_BEFORE, EXPIRES_ON, p.created_on))
        self.assertTrue(start <= p.created_on.timestamp() <= p.updated_on.timestamp() <= time.time())
        self.assertEqual((p.recovery_level, p.recoverable_days), ("Recoverable+Purgeable" if DAYS == 90 else "CustomizedRecoverable+Purgeable", DAYS))

    def test_old_versions_stay_as_they_were(self):
        name = fresh("versions")
        first = one.set_secret(name, "first", tags={"a": "1"}, content_type="x")
        second = one.set_secret(name, "second")
        self.assertEqual((second.properties.tags, second.properties.content_type), (None, None))
        self.same(one.get_secret(name).value, "second", "the current version")
        old = one.get_secret(name, first.properties.version)
        self.same(old.value, "first", "the old version")
        self.assertEqual(attributes(old.properties), attributes(first.properties))
        self.assertEqual(versions_of(one, name), {s.properties.version: attributes(s.properties) for s in (first, second)})

    def test_names_ignore_case(self):
        name = fresh("Case")
        one.set_secret(name, "first")
        self.same(one.get_secret(name.upper()).value, "first", "in capitals")
        one.set_secret(name.lower(), "second")
        self.same(one.get_secret(name).value, "second", "as it was spelled")
        self.assertEqual(1, sum(p.name.lower() == name.lower() for p in one.list_properties_of_secrets()))

    def test_a_list_shows_properties(self):
        name = fresh("listed")
        one.set_secret(name, "hidden", enabled=False, content_type="y", tags={"b": "2"})
        [found] = [p for p in one.list_properties_of_secrets() if p.name == name]
        self.assertEqual(
            (found.id, found.version, found.enabled, found.content_type, found.tags),
            (f"{WORLD['vaults']['one']}/secrets/{name}", None, False, "y", {"b": "2"}),
        )

    def test_versions_of_a_name_that_nobody_set(self):
        self.assertEqual([], list(one.list_properties_of_secret_versions(fresh("absent"))))

    def test_api_versions(self):
        for api in ApiVersion:
            c, name = client("one", api_version=api), fresh("api")
            c.set_secret(name, "value")
            got = c.get_secret(name)
            self.same(got.value, "value", f"what was set by {api}")
            days = None if api in (ApiVersion.V2016_10_01, ApiVersion.V7_0) else DAYS
            self.assertEqual(got.properties.recoverable_days, days, api)
