//! The event log: what makes a write durable, and the window of history.
//!
//! Segment files of records, named by their first revision. Only the newest is written; a group is one append and one
//! sync. Whole segments are dropped from the old end. Readers find their place by a sparse index that is built when a
//! segment is first read.

use super::births::Templates;
use super::disk::{Disk, LogFile, sync_directory};
use super::error::OpenError;
use super::record::{self, HEADER, Header};
use crate::check::Step;
use crate::codec::{put_u32, put_u64};
use crate::{Revision, WatchError};
use parking_lot::{Mutex, RwLock};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Bytes before a segment's first record.
pub(crate) const SEGMENT_HEADER: u64 = 32;
const MAGIC: &[u8; 8] = b"KCPLOG1\n";
/// Distance of the entries of a segment's sparse index.
const INDEX_EVERY: u64 = 64 << 10;
/// Log bytes one read step decodes before it pauses.
const STEP_BYTES: u64 = 256 << 10;

/// A file of the log.
#[derive(Debug)]
pub(crate) struct Segment {
    pub first: u64,
    /// When it was begun; everything in older segments is older.
    created: u64,
    path: PathBuf,
    /// Bytes that are durable; nobody reads beyond.
    len: AtomicU64,
    file: OnceLock<File>,
    /// (revision, offset) of a record every [`INDEX_EVERY`] bytes, and up to where it was built.
    index: Mutex<(Vec<(u64, u64)>, u64)>,
}

/// How much history is kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// A segment is closed when it has grown to this many bytes.
    pub segment_bytes: u64,
    /// Segments whose changes are all older than this are dropped,
    pub max_age_ms: u64,
    /// and the oldest while the log is larger than this,
    pub max_bytes: u64,
    /// but never so that fewer changes than this are left.
    pub min_events: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { segment_bytes: 32 << 20, max_age_ms: 5 * 60 * 1000, max_bytes: 4 << 30, min_events: 100_000 }
    }
}

/// The readable side, shared by all readers.
#[derive(Debug)]
pub(crate) struct Log {
    directory: PathBuf,
    /// By rising revision; the last one is being written.
    segments: RwLock<Vec<Arc<Segment>>>,
    templates: Arc<Templates>,
}

/// What opening found at the end of the log.
#[derive(Debug)]
pub(crate) struct Tail {
    /// Revision of the last whole record, or the one before the first segment.
    pub head: u64,
    /// Bytes after it that a crash left behind.
    pub torn: u64,
    /// A segment that a crash kept from being born.
    pub stillborn: Option<PathBuf>,
}

/// The writing side, owned by the writer's thread.
pub(crate) struct Appender {
    log: Arc<Log>,
    disk: Arc<dyn Disk>,
    retention: Retention,
    file: Option<Box<dyn LogFile>>,
    sync: bool,
    /// Set after a failed append or sync until the end of the log is known to be clean again.
    suspect: bool,
}

impl Log {
    /// Reads the segments' headers and checks the newest one whole. Changes nothing.
    pub(crate) fn scan(directory: &Path, templates: Arc<Templates>) -> Result<(Self, Tail), OpenError> {
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(OpenError::io("read", directory))? {
            let path = entry.map_err(OpenError::io("read", directory))?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<u64>().ok());
            if let (Some(first), Some("log")) = (stem, path.extension().and_then(|end| end.to_str())) {
                paths.push((first, path));
            }
        }
        paths.sort();
        let mut tail = Tail { head: 0, torn: 0, stillborn: None };
        // A crash while the newest was being created: it holds nothing that was acknowledged.
        if let Some((first, path)) = paths.last()
            && read_header(path, *first)?.is_none()
            && std::fs::metadata(path).map_err(OpenError::io("read", path))?.len() <= SEGMENT_HEADER
        {
            tail.stillborn = paths.pop().map(|(_, path)| path);
        }
        let mut segments = Vec::new();
        let count = paths.len();
        for (at, (first, path)) in paths.into_iter().enumerate() {
            let damaged = || OpenError::corrupt(&path, "the segment's header is damaged");
            let created = read_header(&path, first)?.ok_or_else(damaged)?;
            let len = std::fs::metadata(&path).map_err(OpenError::io("read", &path))?.len();
            let file = OnceLock::new();
            let segment = Segment { first, created, path, len: AtomicU64::new(len), file, index: Mutex::default() };
            if at + 1 == count {
                let (good, last) = segment.check()?;
                segment.len.store(good, Ordering::Release);
                tail.head = last;
                tail.torn = len - good;
            }
            segments.push(Arc::new(segment));
        }
        Ok((Self { directory: directory.to_owned(), segments: RwLock::new(segments), templates }, tail))
    }

    /// The revision before the oldest change kept.
    pub(crate) fn compacted(&self) -> u64 {
        self.segments.read().first().map_or(0, |segment| segment.first - 1)
    }

    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.read().iter().map(|segment| segment.len.load(Ordering::Acquire)).sum()
    }

    /// Hands the records after revision `after` to `sink` in order, a bounded number of them, and says up to which
    /// revision; `after` itself when there is nothing more.
    pub(crate) fn read(&self, after: u64, sink: &mut dyn FnMut(Vec<Step>)) -> Result<u64, WatchError> {
        let segment = {
            let segments = self.segments.read();
            let at = segments.partition_point(|segment| segment.first <= after + 1);
            let Some(at) = at.checked_sub(1) else {
                let oldest = segments.first().map_or(0, |segment| segment.first - 1);
                return Err(WatchError::Compacted { requested: Revision::new(after), oldest: Revision::new(oldest) });
            };
            segments[at].clone()
        };
        segment
            .read(after, &self.templates, sink)
            .map_err(|error| WatchError::Unavailable(format!("cannot read {}: {error}", segment.path.display())))
    }
}

impl Segment {
    fn open(&self) -> io::Result<&File> {
        match self.file.get() {
            Some(file) => Ok(file),
            None => {
                let file = File::open(&self.path)?;
                Ok(self.file.get_or_init(|| file))
            }
        }
    }

    /// Checks every record; answers the length of the good part and its last revision. What follows the good part is
    /// the torn end of a write that was never acknowledged, unless a whole later record shows that it was.
    fn check(&self) -> Result<(u64, u64), OpenError> {
        let bytes = std::fs::read(&self.path).map_err(OpenError::io("read", &self.path))?;
        let (mut at, mut next) = (SEGMENT_HEADER as usize, self.first);
        while let Some((header, record)) = whole_record(&bytes, at, |first| first == next) {
            self.note(header.first, at as u64);
            at += record.len();
            next = header.last() + 1;
        }
        let later = (at + 1..bytes.len()).find(|at| whole_record(&bytes, *at, |first| first > next).is_some());
        if let Some(later) = later {
            let reason = format!("the record at byte {at} is damaged and whole records follow it at byte {later}");
            return Err(OpenError::corrupt(&self.path, reason));
        }
        self.index.lock().1 = at as u64;
        Ok((at as u64, next - 1))
    }

    fn note(&self, revision: u64, offset: u64) {
        let mut index = self.index.lock();
        if index.0.last().is_none_or(|(_, last)| offset >= last + INDEX_EVERY) {
            index.0.push((revision, offset));
        }
        index.1 = index.1.max(offset);
    }

    fn header_at(&self, file: &File, offset: u64) -> io::Result<Header> {
        let mut raw = [0; HEADER];
        file.read_exact_at(&mut raw, offset)?;
        Header::parse(&raw).ok_or_else(|| io::Error::other(format!("damaged record at byte {offset}")))
    }

    fn read(&self, after: u64, templates: &Templates, sink: &mut dyn FnMut(Vec<Step>)) -> io::Result<u64> {
        let file = self.open()?;
        let len = self.len.load(Ordering::Acquire);
        self.build_index(file, len)?;
        let mut at = {
            let index = self.index.lock();
            let place = index.0.partition_point(|(revision, _)| *revision <= after + 1);
            place.checked_sub(1).map_or(SEGMENT_HEADER, |place| index.0[place].1)
        };
        let (mut reached, mut read) = (after, 0);
        while at < len && read < STEP_BYTES {
            let header = self.header_at(file, at)?;
            if header.last() > after {
                let mut raw = vec![0; usize::try_from(header.len).unwrap_or(usize::MAX)];
                file.read_exact_at(&mut raw, at)?;
                let damaged = || io::Error::other(format!("damaged record at byte {at}"));
                if !header.verifies(&raw) {
                    return Err(damaged());
                }
                sink(record::decode(&header, &raw, templates).ok_or_else(damaged)?);
                reached = header.last();
                read += header.len;
            }
            at += header.len;
        }
        Ok(reached)
    }

    /// Walks headers once; later reads start near their place.
    fn build_index(&self, file: &File, len: u64) -> io::Result<()> {
        let mut at = self.index.lock().1.max(SEGMENT_HEADER);
        while at < len {
            let header = self.header_at(file, at)?;
            self.note(header.first, at);
            at += header.len;
            self.index.lock().1 = at;
        }
        Ok(())
    }
}

/// When the segment was begun; `None` for a damaged header.
fn read_header(path: &Path, first: u64) -> Result<Option<u64>, OpenError> {
    let file = File::open(path).map_err(OpenError::io("open", path))?;
    let mut header = [0; SEGMENT_HEADER as usize];
    match file.read_exact_at(&mut header, 0) {
        Ok(()) => Ok(parse_header(&header, first)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(OpenError::io("read", path)(error)),
    }
}

fn parse_header(raw: &[u8; SEGMENT_HEADER as usize], first: u64) -> Option<u64> {
    let number = |at: usize| raw[at..at + 8].try_into().map(u64::from_le_bytes).ok();
    let crc = u32::from_le_bytes(raw[24..28].try_into().ok()?);
    let good = raw.starts_with(MAGIC) && crc == crc32c::crc32c(&raw[..24]) && number(8)? == first;
    if good { number(16) } else { None }
}

fn segment_header(first: u64, created: u64) -> Vec<u8> {
    let mut raw = MAGIC.to_vec();
    put_u64(&mut raw, first);
    put_u64(&mut raw, created);
    let crc = crc32c::crc32c(&raw);
    put_u32(&mut raw, crc);
    put_u32(&mut raw, 0);
    raw
}

fn whole_record(bytes: &[u8], at: usize, wanted: impl Fn(u64) -> bool) -> Option<(Header, &[u8])> {
    let header = Header::parse(bytes.get(at..)?).filter(|header| wanted(header.first))?;
    let end = at.checked_add(usize::try_from(header.len).ok()?)?;
    let record = bytes.get(at..end)?;
    header.verifies(record).then_some((header, record))
}

impl Appender {
    /// Continues after `tail`, cutting off what a crash left behind.
    pub(crate) fn open(
        log: Arc<Log>,
        disk: Arc<dyn Disk>,
        retention: Retention,
        sync: bool,
        tail: &Tail,
    ) -> Result<Self, OpenError> {
        let mut appender = Self { log, disk, retention, file: None, sync, suspect: false };
        if let Some(path) = &tail.stillborn {
            std::fs::remove_file(path).map_err(OpenError::io("remove", path))?;
        }
        let last = appender.log.segments.read().last().cloned();
        if let Some(segment) = last {
            let mut file = appender.disk.reopen(&segment.path).map_err(OpenError::io("open", &segment.path))?;
            if tail.torn > 0 {
                let len = segment.len.load(Ordering::Acquire);
                tracing::warn!(
                    "{}: discarding {} bytes of a write that a crash cut short",
                    segment.path.display(),
                    tail.torn
                );
                file.truncate(len).map_err(OpenError::io("truncate", &segment.path))?;
            }
            appender.file = Some(file);
        }
        Ok(appender)
    }

    /// Makes `record`, which begins with revision `first`, durable. On an error nothing of it will be seen, and the
    /// next call first makes sure that nothing of it is left.
    pub(crate) fn append(&mut self, record: &[u8], first: u64, time: u64) -> io::Result<()> {
        if self.suspect {
            self.clean()?;
        }
        let result = self.try_append(record, first, time);
        if result.is_err() {
            self.suspect = true;
            // Usually possible at once, also on a full disk; if not, every later append tries again first.
            if let Err(error) = self.clean() {
                tracing::error!("the event log cannot be cleaned after a failed write: {error}");
            }
        }
        result
    }

    fn try_append(&mut self, record: &[u8], first: u64, time: u64) -> io::Result<()> {
        let last = self.log.segments.read().last().cloned();
        let full = |segment: &Arc<Segment>| segment.len.load(Ordering::Acquire) >= self.retention.segment_bytes;
        let segment = match last {
            Some(segment) if self.file.is_some() && !full(&segment) => segment,
            _ => self.begin_segment(first, time)?,
        };
        let Some(file) = &mut self.file else { return Err(io::Error::other("no segment")) };
        file.append(record)?;
        if self.sync {
            file.sync()?;
        }
        let at = segment.len.load(Ordering::Acquire);
        segment.note(first, at);
        segment.index.lock().1 = at + record.len() as u64;
        segment.len.store(at + record.len() as u64, Ordering::Release);
        Ok(())
    }

    fn begin_segment(&mut self, first: u64, created: u64) -> io::Result<Arc<Segment>> {
        let path = self.log.directory.join(format!("{first:020}.log"));
        // Left by a crash or a failure while it was created; nothing in it was acknowledged.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.file = None;
        let mut file = self.disk.create(&path)?;
        file.append(&segment_header(first, created))?;
        if self.sync {
            file.sync()?;
        }
        let segment = Arc::new(Segment {
            first,
            created,
            path,
            len: AtomicU64::new(SEGMENT_HEADER),
            file: OnceLock::new(),
            index: Mutex::new((Vec::new(), SEGMENT_HEADER)),
        });
        self.log.segments.write().push(segment.clone());
        self.file = Some(file);
        Ok(segment)
    }

    /// Cuts the newest segment back to what is known to be durable. A later group goes to the same file, whose length
    /// and content up to there the successful sync has just proven.
    fn clean(&mut self) -> io::Result<()> {
        self.file = None;
        if let Some(segment) = self.log.segments.read().last() {
            let mut file = self.disk.reopen(&segment.path)?;
            file.truncate(segment.len.load(Ordering::Acquire))?;
            self.file = Some(file);
        }
        self.suspect = false;
        Ok(())
    }

    /// Whether retention would drop the oldest segment now that `head` is the newest revision.
    pub(crate) fn can_drop(&self, head: u64, now: u64) -> bool {
        let segments = self.log.segments.read();
        let Some(second) = segments.get(1) else { return false };
        let old = now.saturating_sub(second.created) > self.retention.max_age_ms;
        let large = || self.log_bytes(&segments) > self.retention.max_bytes;
        head.saturating_sub(second.first - 1) >= self.retention.min_events && (old || large())
    }

    fn log_bytes(&self, segments: &[Arc<Segment>]) -> u64 {
        segments.iter().map(|segment| segment.len.load(Ordering::Acquire)).sum()
    }

    /// Drops the oldest segment; the caller has made sure that nothing needs it any more.
    pub(crate) fn drop_oldest(&mut self) -> io::Result<()> {
        let oldest = {
            let mut segments = self.log.segments.write();
            if segments.len() < 2 {
                return Ok(());
            }
            segments.remove(0)
        };
        std::fs::remove_file(&oldest.path)?;
        sync_directory(&self.log.directory)
    }
}
