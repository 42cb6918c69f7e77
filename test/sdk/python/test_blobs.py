"""A backup moves a secret with its whole history to another vault."""

from datetime import datetime, timezone

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from world import CAN, WORLD, TestCase, at_most, attributes, fresh, one, two, versions_of

OPTIONS = (
    {"content_type": "text/plain", "tags": {"a": "1"}},
    {"not_before": datetime(2020, 1, 2, 3, 4, 5, tzinfo=timezone.utc), "expires_on": datetime(2045, 1, 2, 3, 4, 5, tzinfo=timezone.utc)},
    {},
    {"tags": {"b": "2", "c": ""}},
)


def value(i):
    return f"value {i} é😀 " * (i + 1)


def secret_of(prefix, count):
    name = fresh(prefix)
    return name, [one.set_secret(name, value(i), **OPTIONS[i % len(OPTIONS)]).properties for i in range(count)]


class Blobs(TestCase):
    def test_a_backup_is_restored_whole(self):
        name, made = secret_of("backup", 6)
        blob = one.backup_secret(name)
        self.assertEqual(blob[0], 0x29, "a blob begins with its prefix's length")
        restored = two.restore_secret_backup(blob)
        self.assertEqual(attributes(restored), attributes(made[-1]))
        self.assertEqual(restored.vault_url, WORLD["vaults"]["two"])
        self.assertEqual(restored.updated_on, made[-1].updated_on)
        self.assertEqual(versions_of(two, name), versions_of(one, name))
        for i, p in enumerate(made):
            got = two.get_secret(name, p.version)
            self.same(got.value, value(i), f"version {i}")
            self.assertEqual(attributes(got.properties), attributes(p))
        self.same(two.get_secret(name).value, value(5), "the current version")
        two.set_secret(name, "goes on")
        self.assertEqual(len(versions_of(two, name)), 7)

    def test_a_long_history_of_the_largest_values(self):
        name = fresh("large")
        count = at_most(40)
        for i in range(count):
            one.set_secret(name, f"{i:02}" + "é" * 12_799)
        two.restore_secret_backup(one.backup_secret(name))
        self.assertEqual(count, len(versions_of(one, name)))
        self.assertEqual(versions_of(two, name), versions_of(one, name))
        self.same(two.get_secret(name).value, f"{count - 1}" + "é" * 12_799, "the current version")

    def test_a_name_in_use_is_left_alone(self):
        name, _ = secret_of("taken", 2)
        blob = one.backup_secret(name)
        two.set_secret(name, "mine")
        self.refused(ResourceExistsError, 409, "Conflict", two.restore_secret_backup, blob, message=f"{WORLD['vaults']['two']}/secrets/{name}")
        self.same(two.get_secret(name).value, "mine", "what stood there")

    def test_a_blob_that_was_touched(self):
        name, _ = secret_of("touched", 1)
        blob = one.backup_secret(name)
        for at in (0, 30, len(blob) // 2, len(blob) - 1):
            broken = bytearray(blob)
            broken[at] ^= 1
            self.refused(HttpResponseError, 400, "Malformed backup blob", two.restore_secret_backup, bytes(broken))
        self.refused(HttpResponseError, 400, "Malformed backup blob", two.restore_secret_backup, blob[:-1])
        self.refused(ResourceNotFoundError, 404, "SecretNotFound", two.get_secret, name)

    def test_no_version_comes_back_enabled_that_was_not(self):
        name = fresh("off")
        off = one.set_secret(name, "was disabled", enabled=False).properties.version
        one.set_secret(name, "is enabled")

        def move():
            return two.restore_secret_backup(one.backup_secret(name))

        if not CAN["keepDisabled"]:
            self.refused(HttpResponseError, 400, "BadParameter", move, message="this would lose data")
            return
        move()
        self.refused(HttpResponseError, 403, "Forbidden", two.get_secret, name, off)
        self.same(two.get_secret(name).value, "is enabled", "the current version")
