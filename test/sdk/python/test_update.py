"""Attributes change after the fact; values and the other versions do not."""

from datetime import datetime, timezone

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from world import TestCase, attributes, fresh, in_turns, one, versions_of

TIME = datetime(2044, 5, 6, 7, 8, 9, tzinfo=timezone.utc)


def pair(prefix):
    name, options = fresh(prefix), {"content_type": "before", "tags": {"a": "1", "b": "2"}}
    return name, one.set_secret(name, "old", **options).properties, one.set_secret(name, "current", **options).properties


class Update(TestCase):
    def test_an_update_changes_what_it_names_of_the_version_it_names(self):
        name, old, current = pair("update")
        changed = one.update_secret_properties(name, old.version, expires_on=TIME, not_before=TIME)
        self.assertEqual(attributes(changed), (old.version, True, "before", {"a": "1", "b": "2"}, TIME, TIME, old.created_on))
        self.assertGreaterEqual(changed.updated_on, old.updated_on)
        one.update_secret_properties(name, old.version, content_type="after")
        got = one.get_secret(name, old.version)
        self.same(got.value, "old", "the value after an update")
        self.assertEqual(attributes(got.properties), (old.version, True, "after", {"a": "1", "b": "2"}, TIME, TIME, old.created_on))
        self.assertEqual(versions_of(one, name)[current.version], attributes(current))

    def test_without_a_version_it_is_the_current_one(self):
        name, old, current = pair("current")
        self.assertEqual(one.update_secret_properties(name, content_type="after").version, current.version)
        self.assertEqual(versions_of(one, name)[old.version], attributes(old))

    def test_tags_are_replaced_as_a_whole(self):
        name, _, current = pair("tags")
        for tags in ({"c": "3"}, {}, {"d": "4", "e": ""}):
            self.assertEqual(one.update_secret_properties(name, current.version, tags=tags).tags, tags)
            self.assertEqual(one.get_secret(name).properties.tags, tags)

    def test_a_disabled_version_is_locked_and_can_be_enabled_again(self):
        name, old, current = pair("enabled")
        one.update_secret_properties(name, current.version, enabled=False)
        self.refused(HttpResponseError, 403, "Forbidden", one.get_secret, name, message="not allowed on a disabled secret")
        self.refused(HttpResponseError, 403, "Forbidden", one.get_secret, name, current.version)
        self.same(one.get_secret(name, old.version).value, "old", "the other version")
        one.update_secret_properties(name, current.version, tags={"still": "disabled"})
        self.assertEqual(one.update_secret_properties(name, current.version, enabled=True).tags, {"still": "disabled"})
        self.same(one.get_secret(name).value, "current", "once it is enabled")

    def test_updates_of_different_versions_at_once_all_hold(self):
        name = fresh("at-once")
        made = in_turns(lambda i: one.set_secret(name, f"v{i}").properties.version, range(10))
        in_turns(lambda i: one.update_secret_properties(name, made[i], tags={"i": str(i)}), range(10))
        self.assertEqual({p.version: p.tags for p in one.list_properties_of_secret_versions(name)}, {v: {"i": str(i)} for i, v in enumerate(made)})

    def test_what_is_absent_cannot_be_updated(self):
        name, _, _ = pair("absent")
        for args in ((fresh("absent"),), (name, "0" * 32)):
            self.refused(ResourceNotFoundError, 404, "SecretNotFound", one.update_secret_properties, *args, content_type="x")
