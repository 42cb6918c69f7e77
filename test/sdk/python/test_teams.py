"""Hosts of one pattern: each is a vault of its own, though all share a store."""

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

from world import WORLD, TestCase, client, fresh, in_turns, versions_of


def names(listed):
    return [s.name for s in listed]


class Teams(TestCase):
    def test_teams_share_a_store_and_see_nothing_of_each_other(self):
        red, blue, name, own = client("red"), client("blue"), fresh("shared"), fresh("own")
        red.set_secret(name, "of red")
        blue.set_secret(name, "of blue")
        made = red.set_secret(own, "red alone", tags={"a": "1"})
        version = made.properties.version
        self.assertEqual(made.id, f"{WORLD['vaults']['red']}/secrets/{own}/{version}")
        self.same(red.get_secret(name).value, "of red", "what red set")
        self.same(blue.get_secret(name).value, "of blue", "what blue set")
        for args in ((own,), (own, version)):
            self.refused(ResourceNotFoundError, 404, "SecretNotFound", blue.get_secret, *args)
        self.assertEqual(names(red.list_properties_of_secrets()), sorted([name, own]))
        self.assertEqual(names(blue.list_properties_of_secrets()), [name])

        restored = blue.restore_secret_backup(red.backup_secret(own))
        self.assertEqual(restored.id, f"{WORLD['vaults']['blue']}/secrets/{own}/{version}")
        self.assertEqual(versions_of(blue, own), versions_of(red, own))
        self.same(blue.get_secret(own).value, "red alone", "what was restored")
        self.refused(ResourceExistsError, 409, "Conflict", blue.restore_secret_backup, red.backup_secret(name))
        self.delete(red, blue, name)

    def delete(self, red, blue, name):
        red.begin_delete_secret(name).wait()
        self.same(blue.get_secret(name).value, "of blue", "what blue keeps")
        self.assertEqual(names(red.list_deleted_secrets()), [name])
        self.assertEqual(names(blue.list_deleted_secrets()), [])
        self.refused(ResourceNotFoundError, 404, "SecretNotFound", blue.purge_deleted_secret, name)
        red.purge_deleted_secret(name)
        self.same(blue.get_secret(name).value, "of blue", "what blue keeps")

    def test_pages_end_with_the_team(self):
        green, mine = client("green"), [fresh(f"page-{i}") for i in range(10, 40)]
        in_turns(lambda n: green.set_secret(n, "value"), mine)
        for size in (None, 1, 10, 25):
            pages = green.list_properties_of_secrets(max_page_size=size).by_page()
            self.assertEqual([n for page in pages for n in names(page)], mine)
