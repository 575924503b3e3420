use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::producer::{BaseProducer, BaseRecord, NoCustomPartitioner, Producer, ProducerContext};
use rdkafka::statistics::Broker;

use super::*;

const API_VERSIONS: i16 = 18;
const METADATA: i16 = 3;
const TOPIC: &str = "swipes";
/// The whole test; a client strands within a second or two.
const WITHIN: Duration = Duration::from_secs(60);

fn statistics(brokers: &[(&str, &str)]) -> Statistics {
    let broker = |(source, state): &(&str, &str)| {
        let (source, state) = ((*source).to_owned(), (*state).to_owned());
        (source.clone(), Broker { source, state, ..Broker::default() })
    };
    Statistics { brokers: brokers.iter().map(broker).collect(), ..Statistics::default() }
}

#[test]
fn only_servers_count() {
    let strands = |brokers: &[(&str, &str)]| {
        let lifeline = Lifeline::new("k:9092");
        lifeline.seen(&statistics(brokers));
        lifeline.is_stranded.load(Ordering::Relaxed)
    };
    assert!(strands(&[]));
    assert!(strands(&[("internal", "UP"), ("logical", "UP")]));
    assert!(!strands(&[("internal", "UP"), ("learned", "DOWN")]));
    assert!(!strands(&[("logical", "UP"), ("configured", "INIT")]));
}

/// One that knows a server and does not reach it is given others after a while, and ever less often.
#[test]
fn who_reaches_nobody_is_stranded_after_a_while() {
    let (lifeline, begun) = (Lifeline::new("k:9092"), Instant::now());
    let strands = |second: u64, state: &str| {
        let now = begun + Duration::from_secs(second);
        lifeline.seen_at(&statistics(&[("learned", state)]), now);
        lifeline.is_stranded.swap(false, Ordering::Relaxed)
    };
    assert!(!strands(0, "UP"));
    let given: Vec<u64> = (1..4_000).filter(|second| strands(*second, "TRY_CONNECT")).collect();
    assert_eq!(given, [31, 91, 211, 451, 931, 1_531, 2_131, 2_731, 3_331, 3_931]);
    assert!(!strands(4_000, "UP") && !strands(4_001, "DOWN") && !strands(4_030, "DOWN"));
    assert!(strands(4_031, "DOWN"), "it starts anew");
}

/// A broker that says it is one, is asked again, says that there is none and closes the connection:
/// the last words of a cluster that stops. Whether a client that hears them still bootstraps is a
/// race in librdkafka; told not to, it never does, as when the race is lost.
#[test]
fn a_stranded_client_connects_again() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    thread::spawn(move || {
        for connection in listener.incoming() {
            count.fetch_add(1, Ordering::Relaxed);
            thread::spawn(move || serve(connection.expect("a connection"), address.port()));
        }
    });

    let mut config = ClientConfig::new();
    Lifeline::attach(&mut config);
    config
        .set("bootstrap.servers", address.to_string())
        .set("metadata.recovery.strategy", "none")
        .set("statistics.interval.ms", "100")
        .set("topic.metadata.refresh.interval.ms", "50")
        .set("reconnect.backoff.ms", "1")
        .set("reconnect.backoff.max.ms", "5")
        .set("message.timeout.ms", "1000");
    let context = Context(Lifeline::new(&address.to_string()));
    let producer: BaseProducer<Context> =
        BaseProducer::from_config_and_context(&config, context).expect("a producer");

    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < WITHIN, "no client was stranded, and that is what is to be seen");
        let _ = producer.send::<(), ()>(BaseRecord::to(TOPIC));
        producer.poll(Duration::from_millis(10));
        if producer.context().0.is_stranded.load(Ordering::Relaxed) {
            break;
        }
    }
    let left_alone_for = |time: Duration| {
        let begun = Instant::now();
        while begun.elapsed() < time {
            producer.poll(Duration::from_millis(10));
        }
        connections.load(Ordering::Relaxed)
    };
    // A connection of before may be accepted late.
    let before = left_alone_for(Duration::from_millis(500));
    let by_itself = left_alone_for(Duration::from_secs(1)) - before;
    assert_eq!(by_itself, 0, "left alone it connects: librdkafka may be mended");
    let before = connections.load(Ordering::Relaxed);
    assert!(producer.context().0.pull(producer.client()), "it was stranded");
    while connections.load(Ordering::Relaxed) == before {
        producer.poll(Duration::from_millis(10));
        assert!(begun.elapsed() < WITHIN, "a client with its servers back did not connect");
    }
}

struct Context(Lifeline);

impl ClientContext for Context {
    fn stats(&self, statistics: Statistics) {
        self.0.seen(&statistics);
    }
}

impl ProducerContext<NoCustomPartitioner> for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &rdkafka::producer::DeliveryResult<'_>, (): ()) {}
}

/// Answers as much of the protocol as there is to it, until there are no brokers.
fn serve(mut stream: TcpStream, port: u16) -> Option<()> {
    let mut asked = 0;
    loop {
        let size = i32::from_be_bytes(read(&mut stream)?);
        let mut request = vec![0; usize::try_from(size).ok()?];
        stream.read_exact(&mut request).ok()?;
        let key = i16::from_be_bytes(request.get(..2)?.try_into().ok()?);
        let mut answer = Answer(request.get(4..8)?.to_vec());
        match key {
            API_VERSIONS => answer.versions(),
            METADATA => {
                asked += 1;
                answer.metadata((asked == 1).then_some(port));
            }
            _ => return None,
        }
        let size = i32::try_from(answer.0.len()).ok()?.to_be_bytes();
        stream.write_all(&[&size[..], &answer.0].concat()).ok()?;
        if asked > 1 {
            return stream.shutdown(Shutdown::Both).ok();
        }
    }
}

fn read<const N: usize>(stream: &mut TcpStream) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).ok().map(|()| bytes)
}

/// An answer as it is written, from its correlation id on.
struct Answer(Vec<u8>);

impl Answer {
    fn i8(&mut self, value: i8) {
        self.0.extend(value.to_be_bytes());
    }

    fn i16(&mut self, value: i16) {
        self.0.extend(value.to_be_bytes());
    }

    fn i32(&mut self, value: i32) {
        self.0.extend(value.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.i16(text.len() as i16);
        self.0.extend(text.as_bytes());
    }

    /// `ApiVersionsResponse` 3: metadata in version 1, and itself.
    fn versions(&mut self) {
        self.i16(0);
        self.i8(3);
        for (key, max) in [(METADATA, 1), (API_VERSIONS, 3)] {
            self.i16(key);
            self.i16(0);
            self.i16(max);
            self.i8(0);
        }
        self.i32(0);
        self.i8(0);
    }

    /// `MetadataResponse` 1: broker 1 at this port, or none, and a topic without a leader.
    fn metadata(&mut self, port: Option<u16>) {
        self.i32(port.is_some().into());
        if let Some(port) = port {
            self.i32(1);
            self.text("127.0.0.1");
            self.i32(port.into());
            self.i16(-1);
        }
        self.i32(-1);
        self.i32(1);
        self.i16(0);
        self.text(TOPIC);
        self.i8(0);
        self.i32(1);
        self.i16(5);
        self.i32(0);
        self.i32(-1);
        self.i32(0);
        self.i32(0);
    }
}
