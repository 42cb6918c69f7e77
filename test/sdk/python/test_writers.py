"""Many writers at once: nothing is lost, nothing is mixed up."""

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

from world import TestCase, client, fresh, in_turns, one, versions_of

WRITERS = 16


class Writers(TestCase):
    def test_each_write_of_one_name_becomes_a_version(self):
        name = fresh("writers")
        made = in_turns(lambda i: client("one").set_secret(name, f"value of writer {i}", tags={"i": str(i)}), range(WRITERS), WRITERS)
        self.assertEqual(len(versions_of(one, name)), WRITERS)
        for i, s in enumerate(made):
            got = one.get_secret(name, s.properties.version)
            self.same(got.value, f"value of writer {i}", f"what writer {i} wrote")
            self.assertEqual(got.properties.tags, {"i": str(i)})
        current = one.get_secret(name)
        self.same(current.value, f"value of writer {current.properties.tags['i']}", "the current version")

    def test_readers_see_whole_versions_while_writers_write(self):
        name = fresh("readers")

        def write(i):
            one.set_secret(name, f"{i}:" * 2000, tags={"i": str(i)})

        def read(_):
            seen = 0
            for _ in range(20):
                got = one.get_secret(name)
                i = int(got.properties.tags["i"])
                self.same(got.value, f"{i}:" * 2000, f"version {i}")
                self.assertGreaterEqual(i, seen)
                seen = i

        write(0)
        in_turns(lambda job: read(job) if job else [write(i) for i in range(1, 11)], range(4), 4)

    def test_writes_deletions_and_recoveries_at_once_leave_one_state(self):
        name = fresh("torn")
        one.set_secret(name, "value")
        jobs = (
            lambda: one.set_secret(name, "value"),
            lambda: one.begin_delete_secret(name),
            lambda: one.begin_recover_deleted_secret(name),
            lambda: one.backup_secret(name),
        )

        def attempt(job):
            try:
                job()
                return True
            except (ResourceNotFoundError, ResourceExistsError):
                return False

        in_turns(lambda i: attempt(jobs[i % len(jobs)]), range(24), 24)
        states = (lambda: one.get_secret(name), lambda: one.get_deleted_secret(name))
        self.assertEqual(1, sum(map(attempt, states)), "the secret is nowhere, or in two places")
