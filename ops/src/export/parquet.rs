//! Rows as Parquet, by way of Arrow's builders: a batch of rows in memory, and the row group that it
//! goes into.

use std::fs::File;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use arrow_array::builder::{
    BooleanBuilder, Date32Builder, Decimal128Builder, FixedSizeBinaryBuilder, Float32Builder,
    Float64Builder, Int16Builder, Int32Builder, Int64Builder, ListBuilder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Schema, SchemaRef};
use tokio_postgres::Row;
use uuid::Uuid;

use super::column::{Column, Kind};
use super::value::{Days, Length, Micros, unscaled};
use crate::Error;

/// A batch ends after so many rows, or bytes as Postgres sent them.
const BATCH_ROWS_MAX: usize = 4_096;
const BATCH_BYTES_MAX: usize = 1 << 20;
/// A row group ends after so many rows, or so many bytes of what is encoded of it.
const GROUP_ROWS_MAX: usize = 128 * 1_024;
const GROUP_BYTES_MAX: usize = 8 << 20;

/// Writes rows to a file.
pub(super) struct Parquet {
    writer: ArrowWriter<File>,
    schema: SchemaRef,
    builders: Vec<Builder>,
    rows: usize,
    bytes: usize,
}

/// One column of the batch.
enum Builder {
    Bool(BooleanBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Interval(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Text(StringBuilder),
    Uuid(FixedSizeBinaryBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Date(Date32Builder),
    Decimal(Decimal128Builder, i8),
    TextList(ListBuilder<StringBuilder>),
}

impl Parquet {
    pub(super) fn new(file: File, columns: &[Column]) -> Result<Self, Error> {
        let fields: Vec<_> = columns.iter().map(Column::field).collect();
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let level = ZstdLevel::try_new(3).map_err(failed)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_created_by("gatelog".to_owned())
            .set_max_row_group_row_count(Some(GROUP_ROWS_MAX))
            .build();
        let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties));
        Ok(Self {
            writer: writer.map_err(failed)?,
            schema,
            builders: columns.iter().map(Builder::new).collect(),
            rows: 0,
            bytes: 0,
        })
    }

    pub(super) fn row(&mut self, row: &Row) -> Result<(), Error> {
        for (at, builder) in self.builders.iter_mut().enumerate() {
            builder.append(row, at)?;
        }
        self.rows += 1;
        self.bytes += row.raw_size_bytes();
        if self.rows >= BATCH_ROWS_MAX || self.bytes >= BATCH_BYTES_MAX {
            self.write_batch()?;
        }
        Ok(())
    }

    /// The file, whole.
    pub(super) fn finish(mut self) -> Result<File, Error> {
        self.write_batch()?;
        // It writes what is left, and the footer.
        self.writer.into_inner().map_err(failed)
    }

    fn write_batch(&mut self) -> Result<(), Error> {
        if self.rows == 0 {
            return Ok(());
        }
        let columns: Vec<ArrayRef> = self.builders.iter_mut().map(Builder::finish).collect();
        let batch = RecordBatch::try_new(self.schema.clone(), columns)
            .map_err(|error| Error::Other(format!("a batch of rows: {error}")))?;
        self.writer.write(&batch).map_err(failed)?;
        if self.writer.in_progress_size() >= GROUP_BYTES_MAX {
            self.writer.flush().map_err(failed)?;
        }
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

impl Builder {
    fn new(column: &Column) -> Self {
        match column.kind {
            Kind::Bool => Self::Bool(BooleanBuilder::new()),
            Kind::Int16 => Self::Int16(Int16Builder::new()),
            Kind::Int32 => Self::Int32(Int32Builder::new()),
            Kind::Int64 => Self::Int64(Int64Builder::new()),
            Kind::Interval => Self::Interval(Int64Builder::new()),
            Kind::Float32 => Self::Float32(Float32Builder::new()),
            Kind::Float64 => Self::Float64(Float64Builder::new()),
            Kind::Text | Kind::Json | Kind::Numeric => Self::Text(StringBuilder::new()),
            Kind::Uuid => Self::Uuid(FixedSizeBinaryBuilder::new(16)),
            Kind::Timestamptz | Kind::Timestamp => Self::Timestamp(
                TimestampMicrosecondBuilder::new()
                    .with_data_type(column.field().data_type().clone()),
            ),
            Kind::Date => Self::Date(Date32Builder::new()),
            Kind::Decimal(_, scale) => Self::Decimal(
                Decimal128Builder::new().with_data_type(column.field().data_type().clone()),
                scale,
            ),
            Kind::TextList => Self::TextList(ListBuilder::new(StringBuilder::new())),
        }
    }

    fn append(&mut self, row: &Row, at: usize) -> Result<(), Error> {
        match self {
            Self::Bool(all) => all.append_option(row.try_get(at)?),
            Self::Int16(all) => all.append_option(row.try_get(at)?),
            Self::Int32(all) => all.append_option(row.try_get(at)?),
            Self::Int64(all) => all.append_option(row.try_get(at)?),
            Self::Interval(all) => {
                all.append_option(row.try_get::<_, Option<Length>>(at)?.map(|length| length.0));
            }
            Self::Float32(all) => all.append_option(row.try_get(at)?),
            Self::Float64(all) => all.append_option(row.try_get(at)?),
            Self::Text(all) => all.append_option(row.try_get::<_, Option<&str>>(at)?),
            Self::Uuid(all) => match row.try_get::<_, Option<Uuid>>(at)? {
                Some(id) => all.append_value(id.as_bytes()).map_err(|error| {
                    Error::Other(format!("a uuid of another length than 16: {error}"))
                })?,
                None => all.append_null(),
            },
            Self::Timestamp(all) => {
                all.append_option(row.try_get::<_, Option<Micros>>(at)?.map(|at| at.0));
            }
            Self::Date(all) => {
                all.append_option(row.try_get::<_, Option<Days>>(at)?.map(|day| day.0));
            }
            Self::Decimal(all, scale) => {
                let digits = row.try_get::<_, Option<&str>>(at)?;
                let number = digits.map(|digits| {
                    unscaled(digits, *scale).ok_or_else(|| {
                        Error::Other(format!("{digits} has no place among decimals"))
                    })
                });
                all.append_option(number.transpose()?);
            }
            Self::TextList(all) => match row.try_get::<_, Option<Vec<Option<&str>>>>(at)? {
                Some(words) => all.append_value(words),
                None => all.append_null(),
            },
        }
        Ok(())
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Bool(all) => Arc::new(all.finish()),
            Self::Int16(all) => Arc::new(all.finish()),
            Self::Int32(all) => Arc::new(all.finish()),
            Self::Int64(all) | Self::Interval(all) => Arc::new(all.finish()),
            Self::Float32(all) => Arc::new(all.finish()),
            Self::Float64(all) => Arc::new(all.finish()),
            Self::Text(all) => Arc::new(all.finish()),
            Self::Uuid(all) => Arc::new(all.finish()),
            Self::Timestamp(all) => Arc::new(all.finish()),
            Self::Date(all) => Arc::new(all.finish()),
            Self::Decimal(all, _) => Arc::new(all.finish()),
            Self::TextList(all) => Arc::new(all.finish()),
        }
    }
}

// By value, as map_err wants it.
#[expect(clippy::needless_pass_by_value)]
fn failed(error: ParquetError) -> Error {
    Error::Other(format!("writing Parquet: {error}"))
}
