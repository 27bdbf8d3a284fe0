"""HTTP/1.1 on a connection: where requests begin and end, how they are answered, and how long each part may take."""
