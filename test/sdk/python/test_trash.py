"""Deleted secrets can be recovered until they are purged."""

import time
from datetime import timedelta

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from world import CAN, DAYS, WORLD, TestCase, attributes, client, fresh, in_turns, inner_code, one, two, versions_of


def secret_of(c, prefix, count=3):
    name = fresh(prefix)
    return name, [c.set_secret(name, f"value {i}", tags={"i": str(i)}).properties for i in range(count)]


def remove(c, name):
    poller = c.begin_delete_secret(name)
    poller.wait()
    return poller.result()


def recover(c, name):
    poller = c.begin_recover_deleted_secret(name)
    poller.wait()
    return poller.result()


class Trash(TestCase):
    def absent(self, call, *args, **kwargs):
        return self.refused(ResourceNotFoundError, 404, "SecretNotFound", call, *args, **kwargs)

    def test_a_deleted_secret_is_in_the_trash_alone(self):
        name, made = secret_of(one, "deleted")
        blob, start = one.backup_secret(name), int(time.time())
        deleted = remove(one, name)
        self.assertEqual((deleted.name, deleted.properties.version), (name, made[-1].version))
        self.assertEqual(deleted.recovery_id, f"{WORLD['vaults']['one']}/deletedsecrets/{name}")
        self.assertTrue(start <= deleted.deleted_date.timestamp() <= time.time())
        self.assertEqual(deleted.scheduled_purge_date - deleted.deleted_date, timedelta(days=DAYS))
        got = one.get_deleted_secret(name)
        for d in (got, *(s for s in one.list_deleted_secrets() if s.name == name)):
            self.assertEqual((d.recovery_id, d.deleted_date, d.scheduled_purge_date), (deleted.recovery_id, deleted.deleted_date, deleted.scheduled_purge_date))
        self.assertIn(name, [s.name for s in one.list_deleted_secrets()])

        for call in (one.get_secret, one.backup_secret, one.begin_delete_secret):
            self.absent(call, name)
        self.absent(one.get_secret, name, made[0].version)
        self.absent(one.update_secret_properties, name, content_type="x")
        said = "deleted but recoverable state, and its name cannot be reused"
        error = self.refused(ResourceExistsError, 409, "Conflict", one.set_secret, name, "new", message=said)
        self.assertEqual(inner_code(error), "ObjectIsDeletedButRecoverable")
        self.refused(ResourceExistsError, 409, "Conflict", one.restore_secret_backup, blob, message="There was a conflict restoring the secret")
        self.assertEqual({}, versions_of(one, name))
        self.assertNotIn(name, [p.name for p in one.list_properties_of_secrets()])

    def test_a_recovered_secret_is_as_it_was(self):
        name, made = secret_of(one, "recovered")
        before = versions_of(one, name)
        remove(one, name)
        self.assertEqual(attributes(recover(one, name)), attributes(made[-1]))
        self.assertEqual(versions_of(one, name), before)
        for i, p in enumerate(made):
            got = one.get_secret(name, p.version)
            self.same(got.value, f"value {i}", f"version {i}")
            self.assertEqual(got.properties.updated_on, p.updated_on)
        self.absent(one.get_deleted_secret, name, message="Deleted Secret not found: ")
        one.set_secret(name, "goes on")
        self.assertEqual(len(versions_of(one, name)), len(made) + 1)

    def test_a_purged_name_is_free(self):
        name, made = secret_of(one, "purged")
        blob = one.backup_secret(name)
        remove(one, name)
        one.purge_deleted_secret(name)
        self.absent(one.get_deleted_secret, name)
        self.absent(one.purge_deleted_secret, name)
        one.set_secret(name, "new")
        self.assertEqual(len(versions_of(one, name)), 1)
        self.absent(one.get_secret, name, made[0].version)
        remove(one, name)
        one.purge_deleted_secret(name)
        one.restore_secret_backup(blob)
        self.assertEqual(len(versions_of(one, name)), len(made))
        self.same(one.get_secret(name).value, "value 2", "the restored secret")

    def test_what_is_absent(self):
        name = fresh("absent")
        self.absent(one.begin_delete_secret, name, message=r"A secret with \(name/id\) ")
        self.absent(one.get_deleted_secret, name, message="Deleted Secret not found: ")
        self.absent(one.purge_deleted_secret, name)
        self.absent(one.begin_recover_deleted_secret, name)

    def test_a_disabled_secret_is_recovered_disabled(self):
        name = fresh("off")
        one.set_secret(name, "value", enabled=False)
        self.assertIs(remove(one, name).properties.enabled, False)
        # This poller asks for the value to see whether the secret is back: 403
        # means that it is.
        recover(one, name)
        self.refused(HttpResponseError, 403, "Forbidden", one.get_secret, name)

    def test_a_vault_with_purge_protection(self):
        c = client("guarded")
        name, _ = secret_of(c, "guarded")
        deleted = remove(c, name)
        self.assertEqual((deleted.properties.recovery_level, deleted.properties.recoverable_days), ("CustomizedRecoverable", 7))
        days = 90 if CAN["ownRetention"] else 7  # a vault behind the gateway decides for itself
        self.assertEqual(deleted.scheduled_purge_date - deleted.deleted_date, timedelta(days=days))
        self.refused(HttpResponseError, 403, "Forbidden", c.purge_deleted_secret, name, message="purge protection is enabled")
        recover(c, name)
        self.same(c.get_secret(name).value, "value 2", "the recovered secret")

    def test_lists_and_a_page_whose_last_item_goes(self):
        prefix = fresh("page")
        names = [f"{prefix}-{i}" for i in range(10, 40)]
        in_turns(lambda n: two.set_secret(n, "value"), names)

        def mine(items):
            return [s.name for s in items if s.name.startswith(prefix)]

        walked = []
        for page in two.list_properties_of_secrets(max_page_size=7).by_page():
            found = mine(page)
            walked += found
            if found:
                remove(two, found[-1])
        self.assertEqual(walked, names)
        in_turns(lambda n: remove(two, n), mine(two.list_properties_of_secrets()))
        for size in (None, 4, 25):
            pages = [list(p) for p in two.list_deleted_secrets(max_page_size=size).by_page()]
            self.assertLessEqual(max(map(len, pages)), size or 25)
            self.assertEqual(mine(s for p in pages for s in p), names)
