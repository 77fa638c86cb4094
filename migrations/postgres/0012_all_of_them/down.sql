DROP DOMAIN all_of_them;
