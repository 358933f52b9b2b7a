//! Where lookups wait for an object that somebody else fills. One of a room asks Redis for all who are in it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Turn, Notify};
use weir_policy::cache_tier::Variant;

use crate::store::Hit;

/// Who waits for one variant of one object.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Something came of the fill, perhaps.
    pub(crate) woken: Notify,
    /// Whose turn it is to ask; what was found, for those after it.
    pub(crate) turn: Turn<Option<Hit>>,
}

type Doors = HashMap<String, Vec<(Variant, Arc<Room>)>>;

/// All rooms with somebody in it, by the object's key.
#[derive(Debug, Default)]
pub(crate) struct Rooms(Mutex<Doors>);

/// A place in a room; the last one out closes it.
#[derive(Debug)]
pub(crate) struct Seat<'a> {
    rooms: &'a Rooms,
    key: String,
    room: Arc<Room>,
}

impl Rooms {
    /// Joins those who wait for the same.
    pub(crate) fn enter(&self, key: &str, variant: &Variant) -> Seat<'_> {
        let room = self.change(|doors| {
            let rooms = doors.entry(key.to_owned()).or_default();
            if let Some((_, room)) = rooms.iter().find(|(of, _)| of == variant) {
                return Arc::clone(room);
            }
            let room = Arc::new(Room::default());
            rooms.push((variant.clone(), Arc::clone(&room)));
            room
        });
        Seat {
            rooms: self,
            key: key.to_owned(),
            room,
        }
    }

    /// Something came of a fill of this object.
    pub(crate) fn wake(&self, key: &str) {
        self.change(|doors| {
            for (_, room) in doors.get(key).into_iter().flatten() {
                room.woken.notify_one();
            }
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut Doors) -> T) -> T {
        // Nothing panics while it is held.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Seat<'_> {
    pub(crate) fn room(&self) -> &Room {
        &self.room
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.rooms.change(|doors| {
            // Two: the door's and this one's.
            if Arc::strong_count(&self.room) > 2 {
                return;
            }
            if let Some(rooms) = doors.get_mut(&self.key) {
                rooms.retain(|(_, room)| !Arc::ptr_eq(room, &self.room));
                if rooms.is_empty() {
                    doors.remove(&self.key);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_out_closes_the_room() {
        let rooms = Rooms::default();
        let variants = ["0", &"a".repeat(32)].map(|text| Variant::parse(text).unwrap());
        let seats = variants.each_ref().map(|variant| rooms.enter("key", variant));
        let same = rooms.enter("key", &variants[0]);
        assert!(std::ptr::eq(same.room(), seats[0].room()));
        assert!(!std::ptr::eq(same.room(), seats[1].room()));
        drop(seats);
        assert_eq!(rooms.0.lock().unwrap()["key"].len(), 1);
        drop(same);
        assert!(rooms.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_word_that_comes_before_anyone_listens_is_kept() {
        let rooms = Rooms::default();
        let seat = rooms.enter("key", &Variant::only());
        rooms.wake("key");
        rooms.wake("another");
        seat.room().woken.notified().await;
    }
}
