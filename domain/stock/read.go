package stock

import "waybill/domain"

// What a flash sale is made of is read without reflection (see BenchmarkCodec and BenchmarkDecodeAndFold). The struct tags say
// what the form is; a test holds what is read here to them.

func readReserved(data []byte) (Event, error) {
	var e Reserved
	r := domain.NewReader(data)
	for key := range r.Fields {
		switch key {
		case "order_id":
			e.OrderID = r.Text()
		case "reservations":
			e.Reservations = domain.ReadSlice(r, func(g *Granted) {
				for key := range r.Fields {
					switch key {
					case "reservation_id":
						g.ReservationID = r.Text()
					case "from_stock":
						g.FromStock = r.Int()
					case "backordered":
						g.Backordered = r.Int()
					default:
						r.Skip()
					}
				}
			})
		case "expires_at":
			e.ExpiresAt = r.Time()
		case "at":
			e.At = r.Time()
		default:
			r.Skip()
		}
	}
	return e, r.Close()
}

func readConfirmed(data []byte) (Event, error) {
	var e ReservationConfirmed
	r := domain.NewReader(data)
	for key := range r.Fields {
		switch key {
		case "order_id":
			e.OrderID = r.Text()
		case "reservation_ids":
			e.ReservationIDs = r.Texts()
		case "at":
			e.At = r.Time()
		default:
			r.Skip()
		}
	}
	return e, r.Close()
}

func readReleased(data []byte) (Event, error) {
	var e ReservationReleased
	r := domain.NewReader(data)
	for key := range r.Fields {
		switch key {
		case "order_id":
			e.OrderID = r.Text()
		case "parts":
			e.Parts = domain.ReadSlice(r, func(p *ReleasedPart) {
				for key := range r.Fields {
					switch key {
					case "reservation_id":
						p.ReservationID = r.Text()
					case "from_stock":
						p.FromStock = r.Int()
					case "backordered":
						p.Backordered = r.Int()
					case "closed":
						p.Closed = r.Bool()
					default:
						r.Skip()
					}
				}
			})
		case "reason":
			e.Reason = r.Text()
		case "at":
			e.At = r.Time()
		default:
			r.Skip()
		}
	}
	return e, r.Close()
}

func readExpired(data []byte) (Event, error) {
	var e ReservationExpired
	r := domain.NewReader(data)
	for key := range r.Fields {
		switch key {
		case "order_id":
			e.OrderID = r.Text()
		case "reservation_id":
			e.ReservationID = r.Text()
		case "from_stock":
			e.FromStock = r.Int()
		case "backordered":
			e.Backordered = r.Int()
		case "expires_at":
			e.ExpiresAt = r.Time()
		case "at":
			e.At = r.Time()
		default:
			r.Skip()
		}
	}
	return e, r.Close()
}
