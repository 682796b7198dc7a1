//! Parquet: columns have names, as those of a table with a header do, and types.
//!
//! A row is read as the line of a table that says the same: a time of any logical type becomes seconds
//! since 1970, a list its elements with `|` between them, and null nothing.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};

use parquet::{
    basic::{LogicalType, TimeUnit},
    file::{reader::FileReader, serialized_reader::SerializedFileReader},
    record::Field,
    schema::types::Type,
};

use super::{
    build::Builder,
    events::Columns,
    things::{self, Things},
};
use crate::{Error, Result};

/// What pandas calls a column that it made itself.
const INDEX: &str = "__index_level_";

/// A column that is read.
struct Column {
    title: String,
    /// Whether its numbers are nanoseconds, which the reader does not tell apart from others.
    is_nanoseconds: bool,
}

/// Reads a table of events.
pub(super) fn read_events(path: &Path, builder: &mut Builder) -> Result<()> {
    let names = builder.columns.clone();
    let wanted = |titles: &[String]| Ok(Columns::of(titles, &names, &[])?.places());
    let mut columns: Option<Columns> = None; // among those that are read
    each_row(path, builder, wanted, |builder, titles, mut fields| {
        let columns = match &mut columns {
            Some(columns) => columns,
            none => none.insert(Columns::of(titles, &names, &[])?),
        };
        if let Some(value) = columns.value_of(&mut fields).filter(|value| value.is_empty()) {
            "1".clone_into(value);
        }
        builder.event(columns.row(&fields)?)
    })
}

/// Reads a table of items or users, whose first column is an identifier.
pub(super) fn read_things(path: &Path, what: Things, builder: &mut Builder) -> Result<()> {
    let wanted = |titles: &[String]| {
        Ok((0..titles.len()).filter(|&place| !titles[place].starts_with(INDEX)).collect())
    };
    each_row(path, builder, wanted, |builder, titles, fields| {
        things::read_fields(titles, &fields, what, builder)
    })
}

/// Reads those columns of a file that `wanted` chooses, ascending, row by row; what `read` refuses is
/// counted as a fault.
fn each_row(
    path: &Path,
    builder: &mut Builder,
    wanted: impl FnOnce(&[String]) -> Result<Vec<usize>, String>,
    mut read: impl FnMut(&mut Builder, &[String], Vec<String>) -> Result<(), String>,
) -> Result<()> {
    let failed = |reason: String| Error::Interactions { path: path.to_owned(), reason };
    let file = fs_err::File::open(path)?.into_file();
    let reader = guarded(|| SerializedFileReader::new(file))
        .and_then(|opened| opened.map_err(|error| error.to_string()))
        .map_err(|reason| failed(format!("it is no whole Parquet file: {reason}")))?;
    let schema = reader.metadata().file_metadata().schema();
    let all = schema.get_fields();
    let titles: Vec<String> = all.iter().map(|field| field.name().to_owned()).collect();
    let places = wanted(&titles).map_err(failed)?;
    let columns: Vec<Column> = places.iter().map(|&place| Column::of(&all[place])).collect();
    let titles: Vec<String> = columns.iter().map(|column| column.title.clone()).collect();

    let fields = places.iter().map(|&place| Arc::clone(&all[place])).collect();
    let projection = Type::group_type_builder(schema.name()).with_fields(fields).build();
    let projection = projection.map_err(|error| failed(error.to_string()))?;
    let mut rows = guarded(|| reader.get_row_iter(Some(projection)))
        .and_then(|rows| rows.map_err(|error| error.to_string()))
        .map_err(failed)?;
    for number in 1.. {
        let damaged = |reason: String| failed(format!("row {number} cannot be read: {reason}"));
        let row = match guarded(|| rows.next()).map_err(damaged)? {
            None => break,
            Some(row) => row.map_err(|error| damaged(error.to_string()))?,
        };
        let fields = columns.iter().zip(row.get_column_iter());
        let fields: Result<Vec<String>, String> =
            fields.map(|(column, (_, field))| column.text(field)).collect();
        if let Err(reason) = fields.and_then(|fields| read(builder, &titles, fields)) {
            builder.fault(path, number, &reason);
        }
    }
    Ok(())
}

/// A time as text: a date where its seconds have the eight digits of one, as those from 1970 to 1973 do.
fn seconds(seconds: i64) -> String {
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) if (10_000_000..100_000_000).contains(&seconds) => time.to_string(),
        _ => seconds.to_string(),
    }
}

/// What `read` gives; the reader panics about some damage.
fn guarded<T>(read: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read)).map_err(|_| "the file is damaged".to_owned())
}

impl Column {
    fn of(field: &Type) -> Self {
        let unit = match field.get_basic_info().logical_type_ref() {
            Some(LogicalType::Timestamp { unit, .. }) => Some(unit),
            _ => None,
        };
        let is_nanoseconds = unit.is_some_and(|unit| matches!(unit, TimeUnit::NANOS));
        Self { title: field.name().to_owned(), is_nanoseconds }
    }

    /// A field as a table would hold it.
    fn text(&self, field: &Field) -> Result<String, String> {
        Ok(match field {
            Field::Null => String::new(),
            Field::Str(text) => text.clone(),
            Field::Bytes(bytes) => {
                let text = bytes.as_utf8().map_err(|_| format!("`{}` is not UTF-8", self.title))?;
                text.to_owned()
            }
            Field::Bool(is_true) => is_true.to_string(),
            Field::Byte(number) => number.to_string(),
            Field::Short(number) => number.to_string(),
            Field::Int(number) => number.to_string(),
            Field::Long(number) if self.is_nanoseconds => seconds(number.div_euclid(1_000_000_000)),
            Field::Long(number) => number.to_string(),
            Field::UByte(number) => number.to_string(),
            Field::UShort(number) => number.to_string(),
            Field::UInt(number) => number.to_string(),
            Field::ULong(number) => number.to_string(),
            Field::Float16(number) => number.to_string(),
            Field::Float(number) => number.to_string(),
            Field::Double(number) => number.to_string(),
            Field::Decimal(_) => field.to_string(),
            Field::Date(days) => seconds(i64::from(*days) * 86_400),
            Field::TimestampMillis(time) => seconds(time.div_euclid(1000)),
            Field::TimestampMicros(time) => seconds(time.div_euclid(1_000_000)),
            Field::ListInternal(list) => {
                let parts: Result<Vec<String>, String> =
                    list.elements().iter().map(|element| self.text(element)).collect();
                parts?.join("|")
            }
            Field::TimeMillis(_)
            | Field::TimeMicros(_)
            | Field::Group(_)
            | Field::MapInternal(_) => {
                return Err(format!(
                    "the column `{}` holds neither texts, numbers nor times",
                    self.title
                ));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Result;
    use parquet::{
        basic::{Compression, ZstdLevel},
        data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type},
        file::{properties::WriterProperties, writer::SerializedFileWriter},
        schema::parser::parse_message_type,
    };
    use proptest::prelude::*;

    use super::super::{ColumnNames, Event, Interactions};

    /// 2024-02-29T12:30:15Z.
    const TIME: i64 = 1_709_209_815;

    /// The bytes of a file of two rows: users, items, values (the second is null), and times in `column`.
    fn file(column: &str, times: [i64; 2], packing: Compression) -> Result<Vec<u8>> {
        let schema = format!(
            "message log {{ REQUIRED BYTE_ARRAY who (UTF8); REQUIRED INT64 page; OPTIONAL DOUBLE value; \
             {column}; REQUIRED INT32 noise; }}"
        );
        let is_in_days = column.contains("INT32");
        let schema = parse_message_type(&schema)?.into();
        let properties = WriterProperties::builder().set_compression(packing).build().into();
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties)?;
        let mut group = writer.next_row_group()?;
        let users = [ByteArray::from("anna"), ByteArray::from("bob")];
        let mut column = group.next_column()?.expect("five columns");
        column.typed::<ByteArrayType>().write_batch(&users, None, None)?;
        column.close()?;
        let mut column = group.next_column()?.expect("five columns");
        column.typed::<Int64Type>().write_batch(&[7, 8], None, None)?;
        column.close()?;
        let mut column = group.next_column()?.expect("five columns");
        column.typed::<DoubleType>().write_batch(&[4.5], Some(&[1, 0]), None)?;
        column.close()?;
        let mut column = group.next_column()?.expect("five columns");
        if is_in_days {
            let days = times.map(|time| time as i32);
            column.typed::<Int32Type>().write_batch(&days, None, None)?;
        } else {
            column.typed::<Int64Type>().write_batch(&times, None, None)?;
        }
        column.close()?;
        let mut column = group.next_column()?.expect("five columns");
        column.typed::<Int32Type>().write_batch(&[1, 2], None, None)?;
        column.close()?;
        group.close()?;
        Ok(writer.into_inner()?)
    }

    fn load(bytes: &[u8], columns: &str) -> crate::Result<Interactions> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("log.parquet");
        fs_err::write(&path, bytes)?;
        let columns: ColumnNames = columns.parse().expect("names of columns");
        Ok(Interactions::load_with(&path, &columns)?.0)
    }

    const COLUMNS: &str = "user=who,item=page,time=when_at";

    #[test]
    fn times_of_every_logical_type_are_the_same_seconds() -> Result<()> {
        for (time, factor) in [
            ("REQUIRED INT64 when_at", 1),
            ("REQUIRED INT64 when_at", 1000),
            ("REQUIRED INT64 when_at (TIMESTAMP_MILLIS)", 1000),
            ("REQUIRED INT64 when_at (TIMESTAMP_MICROS)", 1_000_000),
            ("REQUIRED INT64 when_at (TIMESTAMP(NANOS,true))", 1_000_000_000),
            ("REQUIRED INT64 when_at (TIMESTAMP(NANOS,false))", 1_000_000_000),
        ] {
            let bytes = file(time, [TIME * factor, (TIME + 5) * factor], Compression::SNAPPY)?;
            let log = load(&bytes, COLUMNS)?;
            let events: Vec<&Event> = log.events().collect();
            assert_eq!((events[0].time, events[1].time), (TIME, TIME + 5), "{time}");
            assert_eq!((events[0].value, events[1].value), (4.5, 1.0));
            assert_eq!((log.users[0].id.as_str(), log.items[1].id.as_str()), ("anna", "8"));
        }
        let days = file("REQUIRED INT32 when_at (DATE)", [19_782, 19_783], Compression::SNAPPY)?;
        assert_eq!(load(&days, COLUMNS)?.histories[0][0].time, 1_709_164_800, "2024-02-29");
        let days = file("REQUIRED INT32 when_at (DATE)", [365, 366], Compression::SNAPPY)?;
        assert_eq!(load(&days, COLUMNS)?.histories[0][0].time, 31_536_000, "1971-01-01");
        Ok(())
    }

    #[test]
    fn all_usual_packings_are_read() -> Result<()> {
        for packing in [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::GZIP(Default::default()),
            Compression::ZSTD(ZstdLevel::default()),
            Compression::LZ4_RAW,
        ] {
            let bytes = file("REQUIRED INT64 when_at", [TIME, TIME], packing)?;
            assert_eq!(load(&bytes, COLUMNS)?.len(), 2, "{packing:?}");
        }
        Ok(())
    }

    #[test]
    fn what_cannot_be_read_is_named() -> Result<()> {
        let bytes = file("REQUIRED INT64 when_at", [TIME, TIME], Compression::SNAPPY)?;
        let error = |bytes: &[u8], columns: &str| {
            load(bytes, columns).map_or_else(|error| error.to_string(), |_| String::new())
        };
        let unknown = error(&bytes, "");
        assert!(unknown.contains("--columns user="), "{unknown}");
        let absent = error(&bytes, "user=whom");
        assert!(absent.contains("`whom`") && absent.contains("`who`"), "{absent}");
        for cut in [0, 3, bytes.len() / 2, bytes.len() - 1] {
            let message = error(&bytes[..cut], COLUMNS);
            assert!(
                message.contains("log.parquet") && message.contains("no whole Parquet"),
                "{message}"
            );
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn a_flipped_byte_is_an_error_or_another_log(place in any::<prop::sample::Index>(), bit in 0u8..8) {
            let bytes = file("REQUIRED INT64 when_at", [TIME, TIME], Compression::SNAPPY);
            let mut bytes = bytes.expect("a file of two rows");
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            let _ = load(&bytes, COLUMNS); // returns, whatever it says
        }
    }
}
