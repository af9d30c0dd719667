//! `agent sync` of folders.

use std::{
    fs,
    io::{Seek, SeekFrom, Write},
    os::unix::fs::symlink,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arrow_array::{ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray};
use arrow_schema::DataType;
use drift::profile::{ColumnProfile, Profile};
use millwright_crds::{
    dataset::{ColumnType, CsvFormat, Expectation, Format, FormatType, RowBounds, Source},
    wire::{
        self,
        contract::key,
        sync::{SyncResult, SyncTask, VersionList},
    },
};
use nix::sys::signal::Signal;
use parquet::arrow::ArrowWriter;

use crate::pod::{Ended, Pod, Running, eventually, files};

/// A sync of the CSV files at `/mnt/source/data`.
pub fn task() -> SyncTask {
    SyncTask {
        v: 1,
        dataset: "flights".into(),
        source: Source {
            uri: "pvc://data/data/".into(),
            include: vec![],
            exclude: vec![],
            credentials: None,
        },
        mount: Some("/mnt/source/data".into()),
        format: Format {
            kind: FormatType::Csv,
            csv: None,
        },
        expectations: vec![],
    }
}

pub fn sync(pod: &Pod, task: &SyncTask) -> Ended {
    pod.run(pod.agent(task, &["sync"]))
}

const JANUARY: &str = "carrier,distance,temp,late,at\nUA,1400,39.02,true,2013-01-01 05:00:00\n\
                       AA,1089,,false,2013-01-01 06:00:00\n";
const FEBRUARY: &str = "carrier,distance,temp,late,at\nB6,229,NA,False,2013-02-01\n";

fn with_january() -> Pod {
    let pod = Pod::new();
    pod.write("/mnt/source/data/01.csv", JANUARY);
    pod
}

#[test]
fn a_version_its_columns_and_its_profile() {
    let pod = with_january();
    let result: SyncResult = sync(&pod, &task()).result();
    assert_eq!((result.version.number, result.version.rows), (1, 2));
    assert_eq!(result.version.bytes, JANUARY.len() as u64);
    assert_eq!(result.current.as_deref(), Some("v1"));
    assert!(!result.unchanged);
    let columns: Vec<_> = result
        .columns
        .iter()
        .map(|c| (c.name.as_str(), c.kind, c.nullable))
        .collect();
    assert_eq!(
        columns,
        [
            ("carrier", ColumnType::String, false),
            ("distance", ColumnType::Integer, false),
            ("temp", ColumnType::Float, true),
            ("late", ColumnType::Boolean, false),
            ("at", ColumnType::Timestamp, false),
        ]
    );
    let key = key::dataset_profile("team", "flights", &result.version.digest);
    assert_eq!(result.profile.as_deref(), Some(key.as_str()));
    let profile = Profile::decode(&fs::read(pod.key(&key)).unwrap()).unwrap();
    assert_eq!(profile.columns().len(), 5);
    let ColumnProfile::Numeric(temp) = profile.column("temp").unwrap() else {
        panic!("temp is numeric");
    };
    assert_eq!((temp.count(), temp.nulls()), (1, 1));
    let ColumnProfile::Categorical(late) = profile.column("late").unwrap() else {
        panic!("late is text");
    };
    assert_eq!(late.counts()["false"], 1);
    pod.check_store();
}

#[test]
fn the_digest_is_of_the_bytes_and_their_paths_alone() {
    let digest = |names: [&str; 2]| {
        let pod = Pod::new();
        for (name, text) in names.iter().zip([JANUARY, FEBRUARY]) {
            pod.write(&format!("/mnt/source/data/{name}"), text);
        }
        sync(&pod, &task()).result::<SyncResult>().version.digest
    };
    assert_eq!(digest(["a.csv", "b.csv"]), digest(["a.csv", "b.csv"]));
    assert_ne!(digest(["a.csv", "b.csv"]), digest(["b.csv", "a.csv"]));
}

#[test]
fn versions_follow_the_source() {
    let pod = with_january();
    let first: SyncResult = sync(&pod, &task()).result();
    let again: SyncResult = sync(&pod, &task()).result();
    assert!(again.unchanged);
    assert_eq!(again.version, first.version);
    assert_eq!(again.columns, first.columns);

    let file = pod.write("/mnt/source/data/02.csv", FEBRUARY);
    let second: SyncResult = sync(&pod, &task()).result();
    assert_eq!((second.version.number, second.version.rows), (2, 3));
    assert_eq!(second.current.as_deref(), Some("v2"));

    fs::remove_file(file).unwrap();
    let back: SyncResult = sync(&pod, &task()).result();
    assert!(back.unchanged);
    assert_eq!(back.current.as_deref(), Some("v1"));
    let list = fs::read(pod.key(&key::dataset_versions("team", "flights"))).unwrap();
    let list: VersionList = wire::read(&list).unwrap();
    assert_eq!((list.versions.len(), list.current), (2, Some(1)));
}

#[test]
fn a_rejected_version_leaves_current_what_was() {
    let pod = with_january();
    let mut task = task();
    task.expectations = vec![Expectation {
        name: "enough".into(),
        rows: RowBounds {
            min: Some(3),
            max: None,
        },
    }];
    let rejected: SyncResult = sync(&pod, &task).result();
    assert_eq!(rejected.current, None);
    assert_eq!(rejected.version.failed[0].expectation, "enough");
    let observed = &rejected.version.failed[0].observed;
    assert_eq!(observed, "2 rows, at least 3 are expected");

    pod.write("/mnt/source/data/02.csv", FEBRUARY);
    let second: SyncResult = sync(&pod, &task).result();
    assert_eq!(second.current.as_deref(), Some("v2"));
    fs::remove_file(pod.path("/mnt/source/data/02.csv")).unwrap();
    let first: SyncResult = sync(&pod, &task).result();
    assert_eq!(first.version.number, 1);
    assert_eq!(first.current.as_deref(), Some("v2"));
}

#[test]
fn another_delimiter_makes_another_profile_of_the_same_version() {
    let pod = Pod::new();
    pod.write("/mnt/source/data/a.csv", "a;b\n1;2\n");
    let mut task = task();
    let first: SyncResult = sync(&pod, &task).result();
    assert_eq!(first.column_count, 1);
    task.format.csv = Some(CsvFormat {
        delimiter: ";".into(),
        header: true,
    });
    let second: SyncResult = sync(&pod, &task).result();
    assert_eq!((second.version.number, second.column_count), (1, 2));
    let profile = fs::read(pod.key(&second.profile.unwrap())).unwrap();
    assert_eq!(Profile::decode(&profile).unwrap().columns().len(), 2);
}

#[test]
fn include_and_exclude() {
    let pod = with_january();
    pod.write("/mnt/source/data/2013/02.csv", FEBRUARY);
    pod.write("/mnt/source/data/notes.txt", "none of it is CSV\n\"");
    symlink("/etc/passwd", pod.path("/mnt/source/data/link")).unwrap();
    let mut task = task();
    task.source.include = vec!["**/*.csv".into()];
    let both: SyncResult = sync(&pod, &task).result();
    assert_eq!(both.version.files, 2);
    task.source.exclude = vec!["2013/*".into()];
    let one: SyncResult = sync(&pod, &task).result();
    assert_eq!(one.version.files, 1);
    task.source.include = vec!["*.parquet".into()];
    sync(&pod, &task).fails(69, &["has no files", "*.parquet", "2013/*"]);
}

#[test]
fn what_is_wrong_with_a_source_is_named() {
    let pod = Pod::new();
    sync(&pod, &task()).fails(69, &["pvc://data/data/", "does not exist"]);
    fs::create_dir_all(pod.path("/mnt/source/data")).unwrap();
    sync(&pod, &task()).fails(69, &["pvc://data/data/ has no files"]);
    pod.write("/mnt/source/data/a.csv", "x,y\n1,2\n");
    pod.write("/mnt/source/data/b.csv", "x,z\n1,2\n");
    sync(&pod, &task()).fails(69, &["b.csv has no column \"y\", which a.csv has"]);
    pod.write("/mnt/source/data/b.csv", "x,y\n1,2\n1,2,3\n");
    sync(&pod, &task()).fails(69, &["b.csv has 3 fields in line 3"]);
    let mut parquet = task();
    parquet.format.kind = FormatType::Parquet;
    sync(&pod, &parquet).fails(69, &["a.csv can't be read as Parquet"]);
    symlink("/etc/passwd", pod.path("/mnt/source/data/b.csv.link")).unwrap();
    sync(&pod, &task()).fails(69, &["b.csv.link is a link to /etc/passwd"]);
    assert!(files(&pod.key("datasets")).is_empty());
}

#[test]
fn a_pod_that_the_operator_did_not_make() {
    let pod = Pod::new();
    pod.run(pod.agent_without_task(&["sync"]))
        .fails(64, &["MILLWRIGHT_TASK is missing"]);
    let mut task = task();
    task.v = 2;
    sync(&pod, &task).fails(64, &["version 2", "same release"]);
}

#[test]
fn parquet() {
    let pod = Pod::new();
    let columns: [(&str, ArrayRef); 3] = [
        ("n", Arc::new(Int32Array::from(vec![Some(1), None]))),
        ("x", Arc::new(Float64Array::from(vec![1.5, 2.5]))),
        ("s", Arc::new(StringArray::from(vec!["a", "b"]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    assert_eq!(batch.schema().field(0).data_type(), &DataType::Int32);
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    pod.write("/mnt/source/data/a.parquet", file);
    let mut task = task();
    task.format.kind = FormatType::Parquet;
    let result: SyncResult = sync(&pod, &task).result();
    assert_eq!(result.version.rows, 2);
    let columns: Vec<_> = result
        .columns
        .iter()
        .map(|c| (c.name.as_str(), c.kind, c.nullable))
        .collect();
    assert_eq!(
        columns,
        [
            ("n", ColumnType::Integer, true),
            ("x", ColumnType::Float, false),
            ("s", ColumnType::String, false),
        ]
    );
    let profile = fs::read(pod.key(&result.profile.unwrap())).unwrap();
    let profile = Profile::decode(&profile).unwrap();
    assert_eq!(profile.column("n").unwrap().count(), 1);
    assert_eq!(profile.column("s").unwrap().count(), 2);
}

/// About 60 MB in one column.
fn large(pod: &Pod) -> std::path::PathBuf {
    pod.write(
        "/mnt/source/data/large.csv",
        "x\n".to_owned() + &"1234567\n".repeat(8 << 20),
    )
}

#[test]
fn a_file_that_is_written_to_is_noticed() {
    let pod = Pod::new();
    let mut file = fs::OpenOptions::new()
        .write(true)
        .open(large(&pod))
        .unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let over = over.clone();
        move || {
            for round in 0_u64.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                file.seek(SeekFrom::Start(2)).unwrap();
                file.write_all(&[b'0' + (round % 10) as u8]).unwrap();
            }
        }
    });
    let ended = sync(&pod, &task());
    over.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    ended.fails(69, &["large.csv changed while it was being"]);
    assert!(
        files(&pod.key("datasets"))
            .iter()
            .all(|file| !file.ends_with("versions.json"))
    );
    pod.check_store();
}

#[test]
fn killed_in_mid_copy_leaves_nothing_that_counts() {
    let pod = Pod::new();
    large(&pod);
    let mut running = Running::start(pod.agent(&task(), &["sync"]));
    running.wait_for("rows");
    eventually("a copy has begun", || !files(&pod.key("blobs")).is_empty());
    running.signal(Signal::SIGKILL);
    assert_eq!(running.end().0, None);
    pod.check_store();
    assert!(files(&pod.key("datasets")).is_empty());
    let result: SyncResult = sync(&pod, &task()).result();
    assert_eq!((result.version.number, result.version.rows), (1, 8 << 20));
    pod.check_store();
}

#[test]
fn two_syncs_at_once_number_each_version_once() {
    let pod = with_january();
    let others: Vec<Pod> = (0..4)
        .map(|i| {
            let other = pod.beside();
            other.write("/mnt/source/data/a.csv", format!("x\n{i}\n"));
            other
        })
        .collect();
    let running: Vec<_> = others
        .iter()
        .map(|other| Running::start(other.agent(&task(), &["sync"])))
        .collect();
    for running in running {
        let (code, log) = running.end();
        assert_eq!(code, Some(0), "{log}");
    }
    let list = fs::read(pod.key(&key::dataset_versions("team", "flights"))).unwrap();
    let list: VersionList = wire::read(&list).unwrap();
    let numbers: Vec<_> = list.versions.iter().map(|version| version.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
}
